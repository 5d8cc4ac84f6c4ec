"""The number of buckets is changed while calls come in: each minute is counted in one layout, and exact."""

from collections import Counter
from contextlib import ExitStack

import pytest
import redis
from django.core.management import call_command
from django.test import override_settings

from counter.ids import Id
from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.outcome import Unavailable
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import rebucketing
from counter.store.counts import CountStore
from counter.store.rebucketing import misfit, spread_over
from tasks.publishing import steps
from tasks.publishing.flush import Flush
from tests.support.callers.load import Load
from tests.support.checker import Calls, verify, verify_waiting
from tests.support.reading import unique_counts
from tests.support.tally.flushing import next_minute, pass_time
from tests.support.tally.web import serving

NUMBERS = [(1, 16), (16, 1), (16, 32), (32, 16)]


class Crash(Exception):
    pass


def recorder(buckets: int) -> SyncWriter:
    """As a process with this REDIS_BUCKETS has it."""
    with override_settings(REDIS_BUCKETS=buckets):
        return SyncWriter(connect_for_accept())


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize(("before", "after"), NUMBERS)
def test_old_minutes_are_published_and_new_ones_begin_after_them(
    valkey: redis.Redis, before: int, after: int
) -> None:
    spread_over(valkey, before)
    old, new, calls = recorder(before), recorder(after), Calls()
    first = old.record(range(100)).minute
    with pytest.raises(Unavailable, match=f"over {before} buckets, not {after}|over 1 buckets|over 0"):
        new.record(range(100))
    assert spread_over(valkey, after)
    assert not spread_over(valkey, after)
    with pytest.raises(Unavailable, match="LAYOUT"):
        old.record(range(100))
    second = new.record(range(50)).minute
    assert second > first
    calls.ok.update([*range(100), *range(50)])
    store = CountStore.known(valkey)
    store.seal(second)
    published = Flush(store.client).run().published
    assert published[0] == first
    assert published[-1] == second
    verify(calls, valkey)
    assert [row for row in unique_counts() if row[1]] == [(str(first), 100, 100), (str(second), 50, 50)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, 16),
        pytest.param(16, 1, marks=pytest.mark.slow),
        pytest.param(16, 32, marks=pytest.mark.slow),
        (32, 16),
    ],
)
def test_no_id_is_in_two_buckets_of_a_minute_under_load(valkey: redis.Redis, before: int, after: int) -> None:
    spread_over(valkey, before)
    with ExitStack() as stack:
        loads = [
            stack.enter_context(Load(stack.enter_context(serving(REDIS_BUCKETS=str(buckets))), 2, ids=50))
            for buckets in (before, after)
        ]
        loads[0].wait_for(200)
        spread_over(valkey, after)
        loads[1].wait_for(200)
    calls = Calls()
    for load in loads:
        calls.ok.update(load.calls.ok)
        calls.unknown.update(load.calls.unknown)
    verify_waiting(calls, valkey)


@pytest.mark.parametrize("writes", [1, 2, 10, 18, 20, 30])
def test_a_change_that_was_broken_off_is_healed_by_another(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    old, new, write = recorder(1), recorder(16), rebucketing._write
    ids: Counter[Id] = Counter()
    old.record(range(100))
    ids.update(range(100))

    def broken(*arguments: object) -> None:
        nonlocal writes
        writes -= 1
        if writes < 0:
            raise Crash
        write(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(rebucketing, "_write", broken)
        with pytest.raises(Crash):
            spread_over(valkey, 16)
    for each in (old, new):
        for id in range(100):
            try:
                each.record([id])
            except Unavailable:
                continue
            ids[id] += 1
    assert spread_over(valkey, 16)
    new.record(range(100))
    ids.update(range(100))
    verify_waiting(Calls(ok=ids), valkey)


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_a_flush_that_has_slept_over_a_change_misses_nothing(
    store: CountStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = recorder(1), recorder(16)
    first = old.record([1, 2]).minute
    next_minute(store)
    Flush(store.client).run()
    second: list[Minute] = []

    def change(point: str) -> None:
        if point == "6.closed.before" and not second:
            spread_over(valkey, 16)
            second.append(new.record([2, 3]).minute)
            pass_time(monkeypatch, second[0].end - clock.now(store.client) + 1)

    monkeypatch.setattr(steps, "watchers", [change])
    Flush(store.client).run()
    assert [row for row in unique_counts() if row[1]] == [(str(first), 2, 2), (str(second[0]), 2, 2)]
    verify(Calls(ok=Counter([1, 2, 2, 3])), valkey)


def test_a_process_with_another_number_says_that_it_is_not_ready(valkey: redis.Redis) -> None:
    assert misfit(valkey) is None
    with override_settings(REDIS_BUCKETS=16):
        assert "over 1 buckets" in (misfit(valkey) or "")
        call_command("set_buckets")
        assert misfit(valkey) is None
    assert "over another number" in (misfit(valkey) or "")
