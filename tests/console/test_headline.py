"""What the first page says of Kafka, and of events that nobody counts: what callers and readers get."""

import re
from collections.abc import Iterator
from signal import SIGCONT, SIGSTOP

import pytest
import redis
from django.core.cache import cache
from django.template.loader import render_to_string
from pytest_django import Settings

from console.headline import overview
from console.headline.verdict import Section, Verdict
from console.level import Level
from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from counter.store.keys import WHOLE
from tests.support.directives import configured
from tests.support.processes import ROOT, ServerProcess, wait_until
from tests.support.requests_topic import Requests, at

pytestmark = pytest.mark.django_db


@pytest.fixture
def hung(kafka: None, kafka_process: ServerProcess) -> Iterator[None]:
    """A Kafka that takes connections and answers nothing."""
    kafka_process.send(SIGSTOP)
    yield
    kafka_process.send(SIGCONT)


def headline() -> Verdict:
    """As a page shows it that asks anew."""
    cache.clear()
    return overview.look({}).verdict


def expect(title: str) -> None:
    """A Kafka that is busy may need a second look."""
    wait_until(lambda: headline().title == title, f"the headline is {title!r}", 30)


def test_events_that_nobody_counts_are_said(
    kafka: None, store: CountStore, valkey: redis.Redis, settings: Settings
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic, last = Requests(), Minute.at(clock.now(store.client)) - 1
    wait_until(lambda: headline().level == Level.OK, "there is nothing to say")
    topic.append(0, at(last), 1)
    topic.append(1, at(last, 1), 2, 3)
    expect("3 accepted calls are not counted, since the start")
    topic.count(valkey)
    wait_until(lambda: headline().level == Level.OK, "all is counted")
    topic.append(1, at(last, 2), 4)
    expect(f"1 accepted call is not counted, since {last.start:%H:%M}:01.000Z")


def test_every_section_of_the_runbook_that_a_headline_leads_to_exists() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    headings = re.findall(r"^###? (.+)$", text, re.MULTILINE)
    assert {section.value for section in Section} <= {each.lower().replace(" ", "-") for each in headings}


def test_calls_that_are_refused_are_said(valkey: redis.Redis) -> None:
    SyncWriter(connect_for_accept()).record([1])
    wait_until(lambda: headline().level == Level.OK, "counts flow")
    with configured(valkey, "maxmemory", "1mb"):
        assert headline().title == "Calls are refused"
        assert "full" in headline().advice
        page = render_to_string("console/verdict.html", {"verdict": headline()})
        assert '/docs/operations.md#tallyrefusing">Runbook</a>' in page
    valkey.set(WHOLE.layout, 16)
    assert headline().title == "Calls are refused"
    assert "REDIS_BUCKETS" in headline().advice


def test_calls_that_may_be_lost_are_said(valkey: redis.Redis) -> None:
    with configured(valkey, "maxmemory-policy", "allkeys-lru"):
        assert headline().title == "What is counted may be lost"
        assert "noeviction" in headline().advice


def test_an_event_that_has_just_come_is_on_its_way(
    kafka: None, store: CountStore, valkey: redis.Redis, settings: Settings
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic = Requests()
    topic.append(0, Minute.at(clock.now(store.client)).start.timestamp() - 60, 1)
    topic.append(0, clock.now(store.client) + 60, 2)
    expect("1 accepted call is not counted, since the start")


@pytest.mark.parametrize(
    ("sink", "title"),
    [
        ("redis", "Kafka is away: calls are counted, and nothing is published"),
        ("kafka", "Kafka is away: no call can be accepted"),
    ],
)
def test_a_kafka_that_hangs_is_said(
    store: CountStore, hung: None, settings: Settings, sink: str, title: str
) -> None:
    settings.ACCEPT_SINK = sink
    expect(title)
