"""`tally audit_minutes` and `replay`: any minute can be counted again from its events."""

import json
import time
from io import StringIO

import pytest
import redis
from django.core.management import call_command
from pytest_django import Settings

from counter.minute import Minute
from counter.store.counts import CountStore
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tasks.publishing.flush import Flush
from tests.support.reading import records, wait_for_markers
from tests.support.requests_topic import Requests, at
from tests.support.tally.audit import audit

pytestmark = pytest.mark.django_db
MINUTES = 4


@pytest.fixture
def topic(kafka: None, settings: Settings, valkey: redis.Redis) -> Requests:
    settings.ACCEPT_SINK = "kafka"
    return Requests()


@pytest.fixture
def first(topic: Requests, valkey: redis.Redis) -> Minute:
    """The first of some minutes that are counted, and not yet published."""
    first = Minute.at(time.time()) - 30
    topic.mark(at(first - 1))
    for n in range(MINUTES):
        topic.append(n % 3, at(first + n), *range(n, 50), 1)
        topic.append((n + 1) % 3, at(first + n, 59), *range(50, 60))
    topic.mark(at(first + MINUTES))
    topic.count(valkey)
    return first


def publish(store: CountStore) -> None:
    while Flush(store.client).run().published:
        pass


def test_minutes_that_were_published_as_they_were_accepted_show_no_difference(
    store: CountStore, first: Minute
) -> None:
    publish(store)
    status, text = audit(f"--since={first}", f"--until={first + MINUTES - 1}")
    assert (status, text.strip()) == (0, f"{first} to {first + 3}: 4 minutes, no difference.")
    assert audit(str(first + 2))[0] == 0


def test_a_planted_difference_is_found(store: CountStore, valkey: redis.Redis, first: Minute) -> None:
    valkey.incr(f"{first + 1}_1")
    valkey.hincrby(f"tally:stats:{first + 1}", "total", 1)
    valkey.set(f"{first + 2}_999", 1)
    valkey.rpush(f"tally:ids:{first + 2}", 999)
    valkey.hincrby(f"tally:stats:{first + 2}", "unique", 1)
    valkey.hincrby(f"tally:stats:{first + 2}", "total", 1)
    publish(store)
    status, text = audit(f"--since={first}", f"--until={first + MINUTES - 1}", "--json")
    assert status == 1
    found = {(each["minute"], each["what"]): each for each in json.loads(text)["differences"]}
    assert found.keys() == {
        (str(first + 1), "total"),
        (str(first + 1), "1"),
        (str(first + 2), "unique"),
        (str(first + 2), "total"),
        (str(first + 2), "999"),
    }
    one = found[str(first + 1), "1"]
    assert (one["counted"], one["published"]) == (2, 3)
    status, text = audit(str(first + 1))
    assert status == 1
    assert "2 differences" in text
    assert audit(str(first))[0] == 0


def test_a_minute_that_is_not_published_or_not_over_can_not_be_told(
    topic: Requests, store: CountStore, first: Minute
) -> None:
    assert audit(str(first)) == (2, f"can't tell: 1 of these minutes are not published, {first} the first\n")
    status, text = audit(str(first + MINUTES))
    assert status == 2
    assert "is not over yet" in text


def test_events_that_are_gone_can_not_be_told(topic: Requests, store: CountStore, first: Minute) -> None:
    publish(store)
    topic.delete_before(0, 10)
    status, text = audit(str(first))
    assert status == 2
    assert "no longer has all" in text
    assert audit(str(first + 1))[0] == 0


def test_kafka_away_can_not_be_told(
    store: CountStore, first: Minute, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.kafka.reader.ASK_SECONDS", 0.5)
    settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
    assert audit(str(first))[0] == 2


def test_a_replay_publishes_the_same_elsewhere_once(store: CountStore, first: Minute) -> None:
    publish(store)
    last = first + MINUTES - 1
    prefix = f"again-{time.time_ns()}-"
    replay(str(first), "--prefix", prefix)
    for _ in range(2):
        replay(f"--since={first}", f"--until={last}", "--prefix", prefix)
    for topic in (UNIQUE_COUNTS, ID_COUNTS):
        wait_for_markers(f"{prefix}{topic}")
        assert values(f"{prefix}{topic}") == values(topic)


def replay(*arguments: str) -> None:
    call_command("replay", *arguments, stdout=StringIO())


def values(topic: str) -> list[dict[str, object]]:
    """Without the time of their publishing, and in an order that any topic of them has."""
    found = [json.loads(value) for _, value in records(topic)]
    return sorted(({**each, "published_at": None} for each in found), key=repr)


def test_without_id_counts_the_sums_are_compared(
    store: CountStore, first: Minute, settings: Settings
) -> None:
    settings.PUBLISH_ID_COUNTS = False
    publish(store)
    assert audit(str(first))[0] == 0
