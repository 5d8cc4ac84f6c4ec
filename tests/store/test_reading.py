import pytest
import redis
from django.test import override_settings

from counter.minute import Minute
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from counter.store.keys import WHOLE
from counter.store.pending import PendingMinutes, State
from counter.store.rebucketing import spread_over
from tests.support.directives import configured


@pytest.fixture
def reader(valkey: redis.Redis) -> PendingMinutes:
    return PendingMinutes(valkey)


def accept(*ids: int) -> Minute:
    return SyncWriter(connect_for_accept()).record(ids).minute


def test_lists_pending_minutes_oldest_first(reader: PendingMinutes, store: CountStore) -> None:
    first = accept(1, 2, 1)
    store.seal(first)
    second = accept(3)
    sealed, opened = reader.list()
    assert (sealed.minute, sealed.state, sealed.unique, sealed.total) == (first, State.PUBLISHING, 2, 3)
    assert (opened.minute, opened.state, opened.unique, opened.total) == (second, State.OPEN, 1, 1)
    assert reader.waiting() == 1
    assert sealed.age_seconds >= opened.age_seconds >= 0
    assert reader.list(newest_first=True)[0].minute == second
    assert [each.minute for each in reader.list(limit=1)] == [first]
    assert [each.minute for each in reader.list(since=f"({first}")] == [second]
    assert [each.minute for each in reader.list(until=str(first))] == [first]
    found = reader.get(first)
    assert found
    assert found.minute == first
    assert reader.get(first - 1) is None


def test_a_minute_that_is_over_and_not_sealed_is_closed(reader: PendingMinutes, valkey: redis.Redis) -> None:
    over = Minute.parse("202601010000")
    valkey.zadd(WHOLE.pending, {str(over): str(over)})
    valkey.hset(WHOLE.stats(over), mapping={"unique": 1, "total": 1})
    assert [each.state for each in reader.list()] == [State.CLOSED]
    assert reader.waiting() == 1


def test_leaves_out_what_was_settled_meanwhile(reader: PendingMinutes, valkey: redis.Redis) -> None:
    valkey.zadd(WHOLE.pending, {"202601010000": 202601010000})
    assert reader.list() == []


def test_reads_a_minute_page_by_page(reader: PendingMinutes) -> None:
    minute = accept(*range(25), *range(5))
    pages = [reader.counts(minute, limit=10)]
    while start := pages[-1].next:
        pages.append(reader.counts(minute, start, limit=10))
    assert [len(page.counts) for page in pages] == [10, 10, 5]
    assert [each for page in pages for each in page.counts] == [(id, 1 + (id < 5)) for id in range(25)]


def test_reads_a_minute_of_many_buckets_page_by_page(valkey: redis.Redis) -> None:
    with override_settings(REDIS_BUCKETS=16):
        spread_over(valkey, 16)
        reader = PendingMinutes(valkey)
        minute = accept(*range(100), *range(5))
        pages = [reader.counts(minute, limit=9)]
        while start := pages[-1].next:
            pages.append(reader.counts(minute, start, limit=9))
        assert [reader.count(minute, id) for id in (4, 5, 100)] == [2, 1, 0]
        (pending,) = reader.list()
    assert [len(page.counts) for page in pages] == [9] * 11 + [1]
    assert sorted(each for page in pages for each in page.counts) == [(id, 1 + (id < 5)) for id in range(100)]
    assert (pending.unique, pending.total) == (100, 105)


def test_keeps_its_place_while_the_minute_is_settled(
    reader: PendingMinutes, store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counter.store.counts.CHUNK", 7)
    minute = accept(*range(30))
    page = reader.counts(minute, limit=10)
    store.seal(minute)
    settling = store.settle(minute)
    next(settling)  # 0 to 6 are gone
    assert page.next == 10
    page = reader.counts(minute, 10, limit=10)
    assert [id for id, _ in page.counts] == list(range(10, 20))
    next(settling)
    next(settling)  # 0 to 20 are
    assert page.next == 20
    assert [id for id, _ in reader.counts(minute, 20, limit=5).counts] == list(range(21, 26))
    assert all(count == 1 for _, count in reader.counts(minute).counts)
    list(settling)
    assert reader.counts(minute).counts == []


def test_looks_up_one_id(reader: PendingMinutes) -> None:
    minute = accept(42, 42, -7)
    assert [reader.count(minute, id) for id in (42, -7, 8)] == [2, 1, 0]
    assert reader.count(minute - 1, 42) == 0


def test_reads_when_redis_is_out_of_memory(reader: PendingMinutes, valkey: redis.Redis) -> None:
    minute = accept(1)
    with configured(valkey, "maxmemory", "1mb"):
        assert reader.counts(minute).counts == [(1, 1)]
