"""Events become counts: each once, in the minute that the log says, whatever happens to who counts them."""

import time
from collections.abc import Iterator

import pytest
import redis
from pytest_django import Settings

from counter.keys import WHOLE
from counter.minute import Minute
from counter.progress import Claim, Progress
from counter.store import CountStore, Stats
from tasks.flush import Flush
from tests.checker import Calls, verify
from tests.processes import wait_until
from tests.reading import unique_counts
from tests.requests_topic import Requests, consolidating

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic(kafka: None, settings: Settings, valkey: redis.Redis) -> Iterator[Requests]:
    settings.ACCEPT_SINK = "kafka"
    return Requests()


@pytest.fixture
def first() -> Minute:
    """A minute that was over long ago."""
    return Minute.at(time.time()) - 30


def at(minute: Minute, seconds: float = 0.0) -> float:
    return minute.start.timestamp() + seconds


def counts(store: CountStore, minute: Minute) -> dict[int, int]:
    return dict(count for chunk in store.counts(minute) for count in chunk)


def test_each_event_counts_once_in_its_minute(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1, 1, 2)
    topic.append(1, at(first, 59.9), -5, 2**63 - 1)
    topic.append(1, at(first + 1), 1)
    with consolidating():
        topic.wait_counted(valkey)
    assert counts(store, first) == {1: 2, 2: 1, -5: 1, 2**63 - 1: 1}
    assert counts(store, first + 1) == {1: 1}
    assert store.stats([first, first + 1]) == [Stats(4, 5), Stats(1, 1)]
