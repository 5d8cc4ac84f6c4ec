"""A counter is opened by its first call, and no flush ever passes over it."""

from collections.abc import Iterator

import pytest
import redis
from django.test import override_settings

from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.outcome import Unavailable
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys, opening
from counter.store.counts import CountStore
from counter.store.keys import Garbled
from counter.store.opening import NotOpened, open_counter
from counter.store.rebucketing import spread_over
from counter.store.registry import known_buckets, registered
from tests.support.reset import empty
from tests.support.sinks import counted


@pytest.fixture(autouse=True)
def counters(valkey: redis.Redis, request: pytest.FixtureRequest) -> Iterator[None]:
    with override_settings(COUNTERS=("clicks",), REDIS_BUCKETS=getattr(request, "param", 1)):
        empty(valkey)
        valkey.delete(keys.COUNTERS, *(bucket.layout for bucket in keys.buckets(16, "clicks")))
        yield


def record(*ids: str) -> Minute:
    return SyncWriter(connect_for_accept()).record(ids, "clicks").minute


@pytest.mark.parametrize("counters", [1, 16], indirect=True)
def test_the_first_call_opens_its_counter(valkey: redis.Redis) -> None:
    assert registered(valkey) == []
    record("a", "b")
    assert registered(valkey) == ["clicks"]


@pytest.mark.parametrize("counters", [1, 16], indirect=True)
def test_it_begins_behind_all_that_was_sealed(valkey: redis.Redis) -> None:
    sealed = Minute.at(clock.now(valkey)) + 5
    with override_settings(COUNTERS=()):
        CountStore.known(valkey).seal(sealed)
    assert record("a") == sealed + 1


def test_a_seal_that_comes_in_between_is_kept(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its flush learns of the counter, for that is registered before anyone looks how far is sealed."""
    sealed = Minute.at(clock.now(valkey)) + 5
    looked = CountStore.sealed

    def late(store: CountStore) -> Minute | None:
        found = looked(store)
        with override_settings(COUNTERS=()):
            CountStore.known(valkey).seal(sealed)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(CountStore, "sealed", late)
        open_counter(valkey, "clicks")
    assert record("a") == sealed + 1


@pytest.mark.parametrize("lost", [keys.COUNTERS, "tally:clicks:layout"])
def test_what_someone_deletes_is_made_again(valkey: redis.Redis, lost: str) -> None:
    record("a")
    valkey.delete(lost)
    if lost == keys.COUNTERS:
        open_counter(valkey, "clicks")  # as each flush does
    record("a")
    assert registered(valkey) == ["clicks"]
    record("a")
    assert counted(CountStore.known(valkey).of("clicks")) == {"a": 3}


@pytest.mark.parametrize("value", ["hash", "a b"])
def test_a_registry_that_someone_overwrites_stops_publishing_with_its_name(
    valkey: redis.Redis, value: str
) -> None:
    if value == "hash":
        valkey.hset(keys.COUNTERS, "a", "b")
    else:
        valkey.sadd(keys.COUNTERS, value)
    with pytest.raises(Garbled, match=keys.COUNTERS):
        known_buckets(valkey)


def test_a_process_with_another_number_of_buckets_opens_none(valkey: redis.Redis) -> None:
    with override_settings(REDIS_BUCKETS=16):
        with pytest.raises(NotOpened, match="set_buckets"):
            open_counter(valkey, "clicks")
        with pytest.raises(Unavailable, match="set_buckets"):
            record("a")
    assert not valkey.exists("tally:{b00}:clicks:layout")


def test_a_change_of_the_number_that_comes_in_between_closes_it(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = opening._check_layout
    calls: list[int] = []

    def late(client: redis.Redis) -> None:
        if calls:
            with override_settings(COUNTERS=()):
                valkey.srem(keys.COUNTERS, "clicks")  # as if the change had looked before it was there
                spread_over(valkey, 16)
        calls.append(1)
        checked(client)

    monkeypatch.setattr(opening, "_check_layout", late)
    with pytest.raises(NotOpened):
        open_counter(valkey, "clicks")
    assert valkey.get("tally:clicks:layout") == b"0"


def test_the_ids_of_a_counter_are_spread_anew_with_all_others(valkey: redis.Redis) -> None:
    first = record("a", "b")
    assert spread_over(valkey, 16)
    with pytest.raises(Unavailable, match="LAYOUT"):
        record("a")
    with override_settings(REDIS_BUCKETS=16):
        second = record("a", "c")
        store = CountStore.known(valkey)
        of_clicks = store.of("clicks")
    assert second > first
    assert sorted(id for chunk in of_clicks.counts(first) for id, _ in chunk) == ["a", "b"]
    assert sorted(id for chunk in of_clicks.counts(second) for id, _ in chunk) == ["a", "c"]
