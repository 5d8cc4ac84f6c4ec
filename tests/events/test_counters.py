"""Named counters in event mode: each event counts once for its counter, whenever that was heard of first."""

import time
from collections.abc import Iterator

import pytest
import redis
from django.core.management import call_command
from django.test import override_settings

from counter.counters import DEFAULT
from counter.minute import Minute
from counter.store import keys
from counter.store.counts import CountStore, Stats
from counter.store.offsets import Progress
from counter.store.registry import known_buckets, registered
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.publishing.flush import Flush
from tests.support.reading import id_counts, records, rows
from tests.support.requests_topic import Requests, at, consolidating
from tests.support.tally.audit import audit

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[1, 16], ids=["whole", "16 buckets"])
def topic(request: pytest.FixtureRequest, kafka: None, valkey: redis.Redis) -> Iterator[Requests]:
    with override_settings(ACCEPT_SINK="kafka", REDIS_BUCKETS=request.param):
        if request.param > 1:
            call_command("set_buckets", verbosity=0)
        yield Requests()


@pytest.fixture
def store(topic: Requests, valkey: redis.Redis) -> CountStore:
    return CountStore.known(valkey)


@pytest.fixture
def first() -> Minute:
    """A minute that was over long ago."""
    return Minute.at(time.time()) - 30


def stats(store: CountStore, counter: str, *minutes: Minute) -> list[Stats]:
    return CountStore.known(store.client).of(counter).stats(list(minutes))


def test_events_of_a_counter_that_nobody_knew_count(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1, 2, 2)
    topic.append(0, at(first), "a", "ä", "a", counter="clicks")
    topic.append(1, at(first), "a", counter="installs")
    topic.append(1, at(first + 1), "a", counter="clicks")
    topic.mark(at(first + 2))
    topic.count(valkey)
    assert registered(valkey) == ["clicks", "installs"]
    assert stats(store, DEFAULT, first, first + 1) == [Stats(2, 3), Stats()]
    assert stats(store, "clicks", first, first + 1) == [Stats(2, 3), Stats(1, 1)]
    assert stats(store, "installs", first, first + 1) == [Stats(1, 1), Stats()]


def test_one_that_is_new_later_goes_on_where_the_others_stand(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), *range(1500))
    topic.count(valkey)
    with consolidating(2):
        topic.append(0, at(first, 30), *map(str, range(700)), counter="clicks")
        topic.append(0, at(first, 40), *range(1500))
        topic.append(2, at(first, 40), "a", counter="clicks")
        topic.wait_counted(valkey)
    assert stats(store, DEFAULT, first) == [Stats(1500, 3000)]
    assert stats(store, "clicks", first) == [Stats(701, 701)]


def test_a_counter_that_somebody_closes_is_opened_again(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), "a", counter="clicks")
    with consolidating():
        topic.wait_counted(valkey)
        valkey.delete(*(bucket.layout for bucket in CountStore.known(valkey).of("clicks").buckets))
        topic.append(0, at(first), "b", counter="clicks")
        topic.wait_counted(valkey)
    assert stats(store, "clicks", first) == [Stats(2, 2)]


def test_what_is_no_id_of_its_counter_is_left_alone(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    for value, key in (
        (b'{"counter": "clicks", "id": "a b"}', b"a b"),
        (b'{"counter": "clicks", "id": "x"}', b"\xff"),
        (b'{"counter": "a:b", "id": "x"}', b"x"),
    ):
        topic.append_record(0, at(first), value, key)
    topic.append(0, at(first), "7", counter="clicks")
    topic.count(valkey)
    assert registered(valkey) == ["clicks"]
    assert stats(store, "clicks", first) == [Stats(1, 1)]


def test_no_minute_is_over_before_all_counters_have_been_read_past_its_end(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1)
    topic.append(0, at(first), "a", counter="clicks")
    topic.mark(at(first + 1))
    topic.count(valkey)
    for bucket in keys.buckets(1 if len(Progress(valkey).buckets) == 1 else 16, "clicks"):
        valkey.hset(bucket.requests, "1:time", int(at(first) * 1000))
    assert Flush(store.client).run().published == []
    topic.mark(at(first + 1))
    topic.count(valkey)
    assert Flush(store.client).run().published == [first]
    assert [row[1:] for row in rows()] == [("clicks", 1, 1), (DEFAULT, 1, 1)]


def test_minutes_are_audited_and_replayed_with_all_their_counters(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    with override_settings(COUNTERS=("clicks",)):
        topic.mark(at(first - 1))
        topic.append(0, at(first), 1, 1)
        topic.append(1, at(first), "a", "b", "a", counter="clicks")
        topic.append(2, at(first + 2), "a", counter="clicks")
        topic.mark(at(first + 3))
        topic.count(valkey)
        while Flush(valkey).run().published:
            pass
        assert id_counts("clicks")[str(first)] == {"a": 2, "b": 1}
        whole = (f"--since={first}", f"--until={first + 2}")
        assert audit(*whole)[0] == 0
        prefix = f"again-{time.time_ns()}-"
        call_command("replay", *whole, "--prefix", prefix, verbosity=0)
        published = [
            key for key, _ in records(UNIQUE_COUNTS) if key.decode().rpartition(":")[2] >= str(first)
        ]
        assert [key for key, _ in records(f"{prefix}{UNIQUE_COUNTS}")] == published
        bucket = next(b for b in known_buckets(valkey) if valkey.exists(b.requests))
        assert bucket


def test_a_difference_of_a_counter_is_found(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.mark(at(first - 1))
    topic.append(0, at(first), "a", counter="clicks")
    topic.mark(at(first + 1))
    topic.count(valkey)
    [bucket] = [
        each for each in CountStore.known(valkey).of("clicks").buckets if valkey.exists(each.stats(first))
    ]
    valkey.incr(f"{bucket.prefix(first)}a")
    valkey.hincrby(bucket.stats(first), "total", 1)
    while Flush(store.client).run().published:
        pass
    status, text = audit(str(first))
    assert status == 1
    assert "clicks" in text
    assert "2 differences" in text
