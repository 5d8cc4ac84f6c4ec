"""Group commit: what becomes of a call when Redis, the connection or the minute goes away under it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
import redis.asyncio
from pytest_django import Settings

from counter.accepting.hot_path import AcceptCall, Answer
from counter.counters import DEFAULT
from counter.minute import Minute
from counter.redis import clock
from counter.sinks.outcome import Accepted, Unavailable
from counter.sinks.redis import delivery
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from counter.sinks.redis.sync_writer import SyncWriter
from counter.sinks.redis.write import SCRIPT, Batch, Writer
from counter.store.counts import CountStore, Stats
from counter.store.keys import WHOLE
from counter.store.rebucketing import spread_over
from tests.support.directives import configured, used_memory
from tests.support.processes import ServerProcess
from tests.support.sinks import recorded


@pytest.fixture
async def batcher(valkey: redis.Redis) -> AsyncIterator[GroupCommit]:
    batcher = GroupCommit(connect_async)
    await batcher.start()
    yield batcher
    await batcher.stop()


def totals(store: CountStore) -> Stats:
    stats = store.stats(store.pending())
    return Stats(sum(s.unique for s in stats), sum(s.total for s in stats))


def send(valkey: redis.Redis, batch: Batch) -> Accepted | None:
    return batch.read(valkey.eval(SCRIPT.text, len(batch.keys), *batch.keys, *batch.args))


async def record(batcher: GroupCommit, id: int) -> Accepted | None:
    return await recorded(batcher, id)


async def record_all(batcher: GroupCommit, ids: range) -> list[Accepted | BaseException | None]:
    return await asyncio.gather(*(record(batcher, id) for id in ids), return_exceptions=True)


async def test_calls_that_wait_leave_together(
    batcher: GroupCommit, store: CountStore, valkey: redis.Redis
) -> None:
    await recorded(batcher, 0)
    before = valkey.info("commandstats")["cmdstat_evalsha"]["calls"]
    answers = await record_all(batcher, range(2500))
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert valkey.info("commandstats")["cmdstat_evalsha"]["calls"] - before <= 5
    assert totals(store) == Stats(2500, 2501)


async def test_more_calls_than_may_wait_are_refused_at_once(
    batcher: GroupCommit, store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counter.sinks.redis.group_commit.MAX_WAITING", 2)
    answers = await record_all(batcher, range(4000))
    refused = sum(isinstance(answer, Unavailable) for answer in answers)
    assert 1000 <= refused <= 2000
    assert totals(store).total == 4000 - refused


class Broken:
    """A connection that takes no answer."""

    def respond(self, answer: Answer, *, keep_alive: bool) -> None:
        raise RuntimeError("the handle is closed")


async def test_a_connection_that_breaks_takes_no_answer_of_others(
    batcher: GroupCommit, store: CountStore
) -> None:
    told: list[Accepted | None] = []
    AcceptCall(Broken(), (0, DEFAULT), batcher, keep_alive=True, expects_continue=False).begin()
    for id in range(1, 10):
        batcher.record(id, told.append)
    async with asyncio.timeout(10):
        assert await recorded(batcher, 10)
    assert len(told) == 9
    assert None not in told
    assert totals(store).total == 11


async def test_stopping_answers_all_that_waits(valkey: redis.Redis, store: CountStore) -> None:
    batcher = GroupCommit(connect_async)
    await batcher.start()
    calls = asyncio.gather(*(record(batcher, id) for id in range(3000)))
    await asyncio.sleep(0)
    await batcher.stop()
    assert len(await calls) == 3000
    assert totals(store) == Stats(3000, 3000)


async def test_a_connection_cut_after_the_script_counts_once(batcher: GroupCommit, store: CountStore) -> None:
    await recorded(batcher, 1)
    lost: list[object] = []
    connection = batcher._committer._nodes.of(WHOLE)

    async def lose_the_reply(**options: Any) -> Any:
        reply = await read(**options)
        if not lost:
            lost.append(reply)
            await connection.disconnect()
            raise redis.ConnectionError("cut")
        return reply

    read, connection.read_response = connection.read_response, lose_the_reply  # type: ignore[assignment, method-assign]
    answer = await recorded(batcher, 1)
    assert lost
    assert answer
    assert answer.new is None
    assert totals(store) == Stats(1, 2)


async def test_a_full_redis_refuses_the_calls_for_every_bucket(
    valkey: redis.Redis, settings: Settings
) -> None:
    settings.REDIS_BUCKETS = 16
    spread_over(valkey, 16)
    batcher = GroupCommit(connect_async)
    await batcher.start()
    valkey.setrange("ballast", 10_000_000, "x")  # in a small command, whose buffer comes and goes
    with configured(valkey, "maxmemory", int(used_memory(valkey) / 0.95)):
        assert None in await record_all(batcher, range(100))  # the first script alone has asked
        assert await record_all(batcher, range(100)) == [None] * 100
    assert None not in await record_all(batcher, range(100))
    await batcher.stop()


async def test_a_restart_of_redis_is_a_slow_ok(
    batcher: GroupCommit, store: CountStore, valkey_process: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "DEADLINE_SECONDS", 10)
    await recorded(batcher, 1)
    valkey_process.kill()
    call = asyncio.create_task(record(batcher, 2))
    await asyncio.sleep(0.05)
    valkey_process.start()
    assert await call
    assert totals(store) == Stats(2, 2)


async def test_redis_away_refuses_at_once_and_is_found_again(
    batcher: GroupCommit, store: CountStore, valkey_process: ServerProcess
) -> None:
    await recorded(batcher, 1)
    valkey_process.kill()
    try:
        assert await recorded(batcher, 2) is None
        loop = asyncio.get_running_loop()
        begin = loop.time()
        with pytest.raises(Unavailable):
            await recorded(batcher, 3)
        assert loop.time() - begin < 0.05
    finally:
        valkey_process.start()
    async with asyncio.timeout(30):
        while batcher._away:  # noqa: ASYNC110  (nothing else tells)
            await asyncio.sleep(0.01)
    await recorded(batcher, 4)
    assert totals(store).total == 2


def test_a_repeated_batch_counts_once_even_after_its_minute(valkey: redis.Redis, store: CountStore) -> None:
    recorder = SyncWriter(valkey)
    minute = recorder.record([5, 5]).minute
    [writer] = recorder._idle[0]
    repeat = writer.batch([5, 6])
    assert send(valkey, repeat)
    store.seal(minute)
    answer = send(valkey, repeat)
    assert answer
    assert (answer.minute, answer.new) == (minute, 1)
    assert store.stats([minute]) == [Stats(2, 4)]


def test_time_never_runs_back_for_a_caller(valkey: redis.Redis, store: CountStore) -> None:
    recorder = SyncWriter(valkey)
    sealed = Minute.at(clock.now(store.client)) + 1000
    store.seal(sealed)
    assert recorder.record([1]).minute == sealed + 1
    assert recorder.record([1]).minute == sealed + 1


def test_a_refused_batch_writes_nothing(valkey: redis.Redis, store: CountStore) -> None:
    assert send(valkey, Writer().batch([1])) is None
    assert valkey.dbsize() == 0
