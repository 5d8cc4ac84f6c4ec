"""`make screenshots`: the pictures in docs/images, of the real system under traffic. Takes some minutes."""

import json
import math
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event

import httpx
import pytest
from confluent_kafka import Producer
from django.conf import settings
from playwright.sync_api import BrowserContext, Page, expect

from counter.accepting.accept_call import PATH
from counter.minute import SECONDS, Minute
from tasks.kafka.topics import UNIQUE_COUNTS
from tests.browser.conftest import System
from tests.support.processes import ROOT, ServerProcess, wait_until
from tests.support.tally.web import manage

IMAGES = ROOT / "docs" / "images"
WEEK = 7 * 24 * 60
OUTAGES = ((35, 6), (3 * 24 * 60, 25))
"""Minutes ago, and for how many minutes Kafka was away."""

CALLERS = 4
TRAFFIC_SECONDS = 50
OVERDUE_MS = 240_000


@pytest.fixture(scope="module")
def week(system: System) -> None:
    """A week in the topic, and in the history made from it."""
    random.seed(8)
    producer = Producer({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS})
    last = Minute.at(time.time()) - 1
    for ago in range(WEEK, -1, -1):
        producer.produce(UNIQUE_COUNTS, record(last - ago, delay(ago)), str(last - ago))
        producer.poll(0)
    producer.flush()
    manage("rebuild_history")


def delay(ago: int) -> float:
    """Seconds from the end of a minute to its record."""
    for begin, length in OUTAGES:
        if begin - length < ago <= begin:
            return SECONDS * (ago - begin + length) + random.uniform(1, 3)
    return random.uniform(0.4, 1.4)


def record(minute: Minute, delay: float) -> bytes:
    """More by day than by night."""
    day = 1 + 0.8 * math.sin((minute.number % 1440) / 1440 * math.tau - 1.9)
    total = int(random.gauss(9500, 350) * day)
    published_at = datetime.fromtimestamp(minute.end + delay, UTC).isoformat()
    unique = int(total * random.uniform(0.38, 0.4))
    values = {"minute": str(minute), "unique": unique, "total": total, "published_at": published_at}
    return json.dumps(values).encode()


@contextmanager
def traffic(system: System) -> Iterator[None]:
    """Callers, while it lasts."""
    stop = Event()

    def call() -> None:
        with httpx.Client() as client:
            while not stop.wait(0.012 + 0.01 * math.sin(time.time() / 4)):
                id = random.choice((int(random.paretovariate(0.5)), random.randrange(20_000)))
                client.get(f"{system.url}{PATH}", params={"id": id})

    with ThreadPoolExecutor(CALLERS) as callers:
        calls = [callers.submit(call) for _ in range(CALLERS)]
        try:
            yield
        finally:
            stop.set()
    for each in calls:
        each.result()


def shoot(page: Page, name: str) -> None:
    """One picture of the whole page, when all of it is there."""
    expect(page.get_by_text("Asking …")).to_have_count(0)
    expect(page.locator("#connection")).to_be_empty()
    page.mouse.move(0, 0)
    IMAGES.mkdir(exist_ok=True)
    page.screenshot(path=IMAGES / f"{name}.png", full_page=True)


@pytest.mark.usefixtures("week")
def test_the_pictures(
    context: BrowserContext, page: Page, system: System, kafka_process: ServerProcess
) -> None:
    with traffic(system):
        page.wait_for_timeout(TRAFFIC_SECONDS * 1000)
        wait_until(lambda: 30 < time.time() % SECONDS < 45, "a minute is half over", 2 * SECONDS)
        page.locator(".state.open").wait_for()
        shoot(page, "console")
        page.get_by_label("week").check()
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(3_000)
        shoot(page, "console-dark")
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_label("hour").check()
        page.wait_for_timeout(3_000)
        shoot(page, "console-phone")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")
        minute = system.store.pending()[-1]
        page.goto(f"/admin/counter/pendingminute/{minute}/?id=1")
        expect(page.get_by_text("Of all ids.")).to_be_visible()
        page.screenshot(path=IMAGES / "minute.png")
        page.goto("/admin/counter/publishedminute/")
        page.screenshot(path=IMAGES / "history.png")
        page.locator("#result_list tbody a").first.click()
        expect(page.get_by_text("Of all ids.")).to_be_visible()
        page.screenshot(path=IMAGES / "published.png")
        page.goto("/admin/")
        kafka_process.kill()
        try:
            page.locator(".state.overdue").first.wait_for(timeout=OVERDUE_MS)
            shoot(page, "console-kafka-away")
        finally:
            kafka_process.start()
