"""What the first page says of Kafka, and of events that nobody counts: what callers and readers get."""

from collections.abc import Iterator
from signal import SIGCONT, SIGSTOP

import pytest
import redis
from django.core.cache import cache
from pytest_django import Settings

from console import overview
from console.level import Level
from console.verdict import Verdict
from counter.minute import Minute
from counter.store.counts import CountStore
from tests.support.processes import ServerProcess, wait_until
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
    topic, last = Requests(), Minute.at(store.now()) - 1
    wait_until(lambda: headline().level == Level.OK, "there is nothing to say")
    topic.append(0, at(last), 1)
    topic.append(1, at(last, 1), 2, 3)
    expect("3 accepted calls are not counted, since the start")
    topic.count(valkey)
    wait_until(lambda: headline().level == Level.OK, "all is counted")
    topic.append(1, at(last, 2), 4)
    expect(f"1 accepted call is not counted, since {last.start:%H:%M}:01.000Z")


def test_an_event_that_has_just_come_is_on_its_way(
    kafka: None, store: CountStore, valkey: redis.Redis, settings: Settings
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic = Requests()
    topic.append(0, Minute.at(store.now()).start.timestamp() - 60, 1)
    topic.append(0, store.now() + 60, 2)
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
