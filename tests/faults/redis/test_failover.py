"""A planned failover behind an address: new connections lead to the new master, old ones to the old one."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from counter.minute import EPOCH, Minute
from counter.redis.clients import connect, connect_for_accept, connect_to_broker
from counter.sinks.outcome import Accepted, Unavailable
from counter.sinks.redis.async_writer import AsyncWriter
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys
from counter.store.claim import Claim, count_claims
from counter.store.counts import CountStore
from counter.store.keys import WHOLE
from counter.store.offsets import Progress
from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.support.checker import Calls, verify_waiting
from tests.support.processes import ServerProcess, run, wait_until
from tests.support.servers.proxy import Proxy, proxy_to
from tests.support.sinks import recorded

BACK_SECONDS = 1.0
"""From when the address leads to a master that takes writes, to the first call that is accepted."""

REFUSED_SECONDS = 1.5
"""No answer takes longer; a thread may have to wait for others on a busy machine."""

EVENT_SECONDS = 15.0
"""Until a consolidator of the test gives up; a real one never does."""

Attempt = Callable[[int], Awaitable[bool]]


class Address:
    """What a client knows of two servers: each new connection leads to the present master."""

    def __init__(self, proxy: Proxy, *ports: int) -> None:
        self.proxy = proxy
        self.servers = {port: redis.Redis(port=port, single_connection_client=True) for port in ports}

    @property
    def master(self) -> redis.Redis:
        return self.servers[self.proxy.server_port]

    def command(self, *words: str | int) -> None:
        """To the master."""
        self.master.execute_command(*words)  # type: ignore[no-untyped-call]

    def fail_over(self) -> None:
        """As an operator does; connections stay open, and what was the master becomes a replica."""
        [port] = self.servers.keys() - {self.proxy.server_port}
        self.command("FAILOVER", "TO", "127.0.0.1", port)
        wait_until(lambda: self.servers[port].role()[0] == b"master", "it is the master")
        self.proxy.server_port = port


@pytest.fixture
def address(settings: Settings, tmp_path: Path) -> Iterator[Address]:
    ports = free_port(), free_port()
    both = {"repl-diskless-sync-delay": "0"}
    with ExitStack() as stack:
        stack.enter_context(run(ServerProcess(Valkey(tmp_path / "a", ports[0], both))))
        replica = Valkey(tmp_path / "b", ports[1], both | {"replicaof": f"127.0.0.1 {ports[0]}"})
        stack.enter_context(run(ServerProcess(replica)))
        proxy = stack.enter_context(proxy_to(ports[0]))
        settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{proxy.port}/0"
        address = Address(proxy, *ports)
        wait_until(lambda: address.master.wait(1, 100), "the replica is in step")
        yield address


@dataclass
class Load:
    """Callers, one in each lane, from start to end of the block."""

    lanes: dict[str, Attempt]
    calls: Calls = field(default_factory=Calls)
    accepted: dict[str, float] = field(default_factory=dict)
    """When the last call of a lane was"""
    slowest: dict[str, float] = field(default_factory=dict)

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._call(lane)) for lane in self.lanes]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._ends = True
        await asyncio.gather(*self._tasks, return_exceptions=error[0] is not None)

    async def back(self, since: float) -> dict[str, float]:
        """After how many seconds each lane accepted again."""
        async with asyncio.timeout(30):
            while not all(self.accepted.get(lane, 0) > since for lane in self.lanes):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return {lane: self.first[lane] - since for lane in self.lanes}

    async def _call(self, lane: str) -> None:
        for id in count():
            if self._ends:
                return
            begin = time.monotonic()
            is_accepted = await self.lanes[lane](id)
            now = time.monotonic()
            self.slowest[lane] = max(self.slowest.get(lane, 0), now - begin)
            if is_accepted:
                self.calls.ok[id] += 1
                self.accepted[lane] = now
                self.first.setdefault(lane, now)
            else:
                self.calls.unknown[id] += 1
            await asyncio.sleep(0.01)

    _ends = False

    def mark(self) -> float:
        """From now on."""
        self.first: dict[str, float] = {}
        return time.monotonic()


def in_thread(record: Callable[[int], object]) -> Attempt:
    async def attempt(id: int) -> bool:
        try:
            await asyncio.to_thread(record, id)
        except (Unavailable, redis.RedisError):
            return False
        return True

    return attempt


def hot(batcher: GroupCommit) -> Attempt:
    async def attempt(id: int) -> bool:
        try:
            return bool(await recorded(batcher, id))
        except Unavailable:
            return False

    return attempt


def batches(committer: AsyncWriter) -> Attempt:
    async def attempt(id: int) -> bool:
        outcomes: list[Accepted | Unavailable] = []
        await committer.commit({0: [id]}, lambda _, outcome: outcomes.append(outcome))
        return isinstance(outcomes[0], Accepted)

    return attempt


def events(client: redis.Redis) -> Attempt:
    """A refused claim was counted before, by a try that was not answered."""
    progress = Progress(client)
    progress.begin(0, 0)
    minute = Minute.at(time.time())

    def claim(id: int) -> None:
        count_claims(client, [Claim(WHOLE, 0, id, id + 1, int(time.time() * 1000), minute, [id])])

    def count(id: int) -> None:
        deadline = time.monotonic() + EVENT_SECONDS
        while time.monotonic() < deadline:
            with suppress(redis.RedisError):
                return claim(id)
            time.sleep(0.01)
        raise Unavailable

    return in_thread(count)


async def test_a_planned_failover_there_and_back_under_load(address: Address) -> None:
    batcher, batch_sink = (
        GroupCommit(connect_async),
        AsyncWriter(connect_async(), [WHOLE], keeps_replies=True),
    )
    await batcher.start()
    recorder, store, broker = (
        SyncWriter(connect_for_accept()),
        CountStore.known(connect()),
        connect_to_broker(),
    )
    counting = {
        "hot path": hot(batcher),
        "batches": batches(batch_sink),
        "Django": in_thread(lambda call: recorder.record([call])),
        "events": events(connect()),
    }
    writing = {
        "flush": in_thread(lambda _: store.seal(EPOCH + 1)),
        "beat": in_thread(lambda _: broker.set(keys.BEAT, "leads", ex=25)),
    }
    writers = Load(writing)
    load = Load(counting)
    load.mark(), writers.mark()
    async with load, writers:
        await load.back(0)
        for _ in range(4):
            await asyncio.to_thread(address.fail_over)
            since = load.mark()
            writers.mark()
            for lane, seconds in (await load.back(since) | await writers.back(since)).items():
                assert seconds < BACK_SECONDS, lane
            assert not batcher._away, "the lanes and the scout agree"
    assert max(load.slowest.values()) < REFUSED_SECONDS + BACK_SECONDS, load.slowest
    await batcher.stop()
    await batch_sink.stop()
    verify_waiting(load.calls, address.master)


@pytest.mark.timed
async def test_an_address_that_leads_to_a_replica_is_a_refusal_that_says_why(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 1)
    await asyncio.to_thread(address.command, "REPLICAOF", "127.0.0.1", free_port())
    assert await recorded(batcher, 2) is None
    begin = time.monotonic()
    with pytest.raises(Unavailable, match="READONLY"):
        recorded(batcher, 3)
    assert time.monotonic() - begin < 0.05
    await asyncio.to_thread(address.command, "REPLICAOF", "NO", "ONE")
    async with asyncio.timeout(10):
        while batcher._away:  # noqa: ASYNC110  (nothing else tells)
            await asyncio.sleep(0.01)
    assert await recorded(batcher, 4)
    await batcher.stop()
    verify_waiting(Calls(ok=Counter([1, 4]), unknown=Counter([2])), address.master)


async def test_the_scout_asks_where_the_address_leads_now(address: Address) -> None:
    scout = AsyncWriter(connect_async(), [WHOLE])
    assert await scout.answering({0}) == {0}
    [address.proxy.server_port] = address.servers.keys() - {address.proxy.server_port}
    assert await scout.answering({0}) == set()
    await scout.stop()


@pytest.mark.parametrize("trouble", ["permission", "replicas"])
async def test_what_a_new_connection_may_cure_ends_the_old_one(
    address: Address, settings: Settings, trouble: str
) -> None:
    nodes, client = connect_async(), connect_for_accept()
    committer, recorder = AsyncWriter(nodes, [WHOLE]), SyncWriter(client)
    assert await batches(committer)(1)
    recorder.record([2])
    if trouble == "permission":
        address.command("ACL", "SETUSER", "default", "-evalsha")
    else:
        settings.ACCEPT_REPLICAS = 2  # and there is one
    assert not await batches(committer)(3)
    assert not nodes.of(WHOLE).is_connected
    with pytest.raises(Unavailable):
        recorder.record([4])
    assert not client.connection_pool._available_connections[-1].is_connected
    await committer.stop()
