"""The connection to Redis is lost at every point of a batch: it is repeated, and counts once."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from counter.redis.clients import ACCEPT_TIMEOUT_SECONDS, connect, connect_for_accept
from counter.sinks.outcome import Unavailable
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from counter.sinks.redis.sync_writer import SyncWriter
from tests.support.checker import Calls, verify_waiting
from tests.support.processes import ServerProcess
from tests.support.servers.proxy import Cut, Proxy, Towards, proxy_to
from tests.support.sinks import recorded


@pytest.fixture
def proxy(valkey: redis.Redis, settings: Any) -> Iterator[Proxy]:
    """The only way that calls can go to Redis."""
    with proxy_to(valkey.connection_pool.connection_kwargs["port"]) as proxy:
        settings.REDIS_URL = f"redis://127.0.0.1:{proxy.port}/0"
        yield proxy


Strike = Callable[[bytes], bytes]


class Fault:
    """A rule that strikes a batch at one point, a number of times, and lets all else pass."""

    def __init__(self, at: Towards, strike: Strike, times: int = 3) -> None:
        self._at = at
        self._strike = strike
        self._under_way = False
        self.left = times

    def __call__(self, towards: Towards, data: bytes) -> bytes:
        if towards is Towards.SERVER:
            self._under_way = b"EVALSHA" in data
        if self._under_way and towards is self._at and self.left:
            self.left -= 1
            return self._strike(data)
        return data


def cut(keep: Strike) -> Strike:
    def strike(data: bytes) -> bytes:
        raise Cut(keep(data))

    return strike


def too_late(data: bytes) -> bytes:
    """The other side has given up, and must not take this for the answer to something else."""
    time.sleep(ACCEPT_TIMEOUT_SECONDS * 1.5)
    return data


POINTS: dict[str, tuple[Towards, Strike]] = {
    "before the request": (Towards.SERVER, cut(lambda data: b"")),
    "within the request": (Towards.SERVER, cut(lambda data: data[: len(data) // 2])),
    "one byte before the request's end": (Towards.SERVER, cut(lambda data: data[:-1])),
    "after the script, before its reply": (Towards.CLIENT, cut(lambda data: b"")),
    "within the reply": (Towards.CLIENT, cut(lambda data: data[:3])),
    "after the reply": (Towards.CLIENT, cut(lambda data: data)),
}
LATE: dict[str, tuple[Towards, Strike]] = {
    "the request comes too late": (Towards.SERVER, too_late),
    "the reply comes too late": (Towards.CLIENT, too_late),
}
EVERY_POINT = pytest.mark.parametrize("point", POINTS | LATE)


def fault(point: str) -> Fault:
    return Fault(*(POINTS | LATE)[point], times=1 if point in LATE else 3)


@EVERY_POINT
async def test_a_batch_of_the_hot_path_counts_once(proxy: Proxy, valkey: redis.Redis, point: str) -> None:
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 0)
    calls = Calls(ok=Counter([0]))
    proxy.rule = rule = fault(point)
    for n in range(20):
        ids = [id % 7 for id in range(n, n + 50)]
        answers = await asyncio.gather(*(recorded(batcher, id) for id in ids))
        assert all(answers), "a slow ok"
        calls.ok.update(ids)
    await batcher.stop()
    assert not rule.left
    verify_waiting(calls, valkey)


@EVERY_POINT
def test_a_batch_of_django_counts_once(proxy: Proxy, valkey: redis.Redis, point: str) -> None:
    recorder = SyncWriter(connect_for_accept())
    recorder.record([0])
    calls = Calls(ok=Counter([0]))
    proxy.rule = rule = fault(point)

    def call(n: int) -> None:
        recorder.record([n % 7, n % 3])
        calls.ok.update([n % 7, n % 3])

    with ThreadPoolExecutor(1) as callers:  # one thread is one writer
        list(callers.map(call, range(20)))
    assert not rule.left
    verify_waiting(calls, valkey)


async def test_a_network_that_hangs_is_a_refusal_in_time(proxy: Proxy, valkey: redis.Redis) -> None:
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 0)
    proxy.hang()
    begin = time.monotonic()
    assert await recorded(batcher, 1) is None
    with pytest.raises(Unavailable):
        recorded(batcher, 2)
    assert time.monotonic() - begin < 5, "not the minutes that TCP takes"
    proxy.heal()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await recorded(batcher, 3)
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    await batcher.stop()
    verify_waiting(Calls(ok=Counter([0, 3]), unknown=Counter([1])), valkey)


@pytest.mark.timed
def test_a_network_that_hangs_is_a_refusal_in_time_from_django_too(proxy: Proxy, valkey: redis.Redis) -> None:
    """A client that repeated commands by itself would keep the caller waiting for seconds."""
    recorder = SyncWriter(connect_for_accept())
    recorder.record([0])
    proxy.hang()
    begin = time.monotonic()
    with pytest.raises(Unavailable):
        recorder.record([1])
    assert time.monotonic() - begin < 1.5
    proxy.heal()
    verify_waiting(Calls(ok=Counter([0]), unknown=Counter([1])), valkey)


async def test_a_kill_of_redis_under_load_is_a_slow_ok(
    own_valkey: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counter.sinks.redis.delivery.DEADLINE_SECONDS", 30)
    batcher = GroupCommit(connect_async)
    await batcher.start()
    calls = Calls()
    killing = True

    async def call(id: int) -> None:
        while killing:
            assert await recorded(batcher, id)
            calls.ok[id] += 1

    callers = asyncio.gather(*(call(id) for id in range(50)))
    for _ in range(5):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
    killing = False
    await callers
    await batcher.stop()
    with connect() as client:
        verify_waiting(calls, client)
