"""ACCEPT_REPLICAS=1: what was answered `ok` is in the append-only file of a replica, too."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest
import redis
from django.test import override_settings

from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect, connect_for_accept
from counter.sinks.outcome import Unavailable
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from counter.store.rebucketing import misfit, spread_over
from embedded.ports import free_port
from embedded.valkey import Valkey
from tasks.publishing.flush import Flush
from tests.support.checker import Calls, verify_waiting
from tests.support.processes import ServerProcess, run, wait_until
from tests.support.reading import unique_counts
from tests.support.servers.proxy import Cut, Proxy, Towards, proxy_to
from tests.support.sinks import recorded


class Pair:
    """A primary, and a replica that has caught up; calls go to whichever the proxy leads to."""

    def __init__(
        self, proxy: Proxy, primary: ServerProcess, replica: ServerProcess, replica_port: int
    ) -> None:
        self.proxy = proxy
        self.primary = primary
        self.replica = replica
        self._replica_port = replica_port
        self.client = redis.Redis(port=replica_port)

    def fail_over(self) -> None:
        self.primary.kill()
        self.client.replicaof("NO", "ONE")
        self.proxy.server_port = self._replica_port
        self.proxy.cut()


@pytest.fixture
def pair(settings: Any, tmp_path: Any) -> Iterator[Pair]:
    ports = free_port(), free_port()
    primary = ServerProcess(Valkey(tmp_path / "primary", ports[0], {"repl-diskless-sync-delay": "0"}))
    replica = ServerProcess(Valkey(tmp_path / "replica", ports[1], {"replicaof": f"127.0.0.1 {ports[0]}"}))
    with ExitStack() as stack:
        stack.enter_context(run(primary))
        stack.enter_context(run(replica))
        proxy = stack.enter_context(proxy_to(ports[0]))
        settings.REDIS_URL = f"redis://127.0.0.1:{proxy.port}/0"
        settings.ACCEPT_REPLICAS = 1
        pair = Pair(proxy, primary, replica, ports[1])
        with redis.Redis(port=ports[0], single_connection_client=True) as client:
            wait_until(
                lambda: client.incr("x") and client.waitaof(1, 1, 1000) == [1, 1], "the replica is in step"
            )
            client.delete("x")
        yield pair


@contextmanager
def stopped(process: ServerProcess) -> Iterator[None]:
    process.send(SIGSTOP)
    try:
        yield
    finally:
        process.send(SIGCONT)


def test_a_failover_loses_no_acknowledged_call(pair: Pair, settings: Any) -> None:
    recorder = SyncWriter(connect_for_accept())
    calls = Calls()
    for n in range(200):
        recorder.record([n, 7])
        calls.ok.update([n, 7])
    pair.fail_over()
    assert not _accepts(recorder, calls), "there is no replica any more"
    settings.ACCEPT_REPLICAS = 0
    wait_until(lambda: _accepts(recorder, calls), "accepting again")
    verify_waiting(calls, pair.client)


def _accepts(recorder: SyncWriter, calls: Calls) -> bool:
    try:
        recorder.record([1])
    except Unavailable:
        calls.unknown[1] += 1
        return False
    calls.ok[1] += 1
    return True


@pytest.mark.parametrize("lose_the_connection", [False, True])
def test_without_the_replica_no_call_is_acknowledged(pair: Pair, lose_the_connection: bool) -> None:
    """Nor when a batch is repeated over another connection than the one that wrote it."""
    recorder = SyncWriter(connect_for_accept())
    recorder.record([1])
    struck: list[int] = []

    def cut_once(towards: Towards, data: bytes) -> bytes:
        if towards is Towards.CLIENT and not struck:
            struck.append(1)
            raise Cut
        return data

    with stopped(pair.replica):
        if lose_the_connection:
            pair.proxy.rule = cut_once
        with pytest.raises(Unavailable):
            recorder.record([2])
    verify_waiting(Calls(ok=Counter([1]), unknown=Counter([2])), pair.client)


async def test_the_hot_path_waits_as_well(pair: Pair) -> None:
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 1)
    with stopped(pair.replica):
        assert await recorded(batcher, 2) is None
    await batcher.stop()


def test_without_the_replica_the_number_of_buckets_stays(pair: Pair) -> None:
    """A failover would bring the old one back, while calls are counted in the new one."""
    with closing(connect()) as client:
        with stopped(pair.replica), pytest.raises(redis.TimeoutError, match="replicas hold"):
            spread_over(client, 16)

        def is_spread() -> bool:
            with suppress(redis.TimeoutError):  # the replica has to catch up first
                spread_over(client, 16)
            return misfit(client) is None

        with override_settings(REDIS_BUCKETS=16):
            wait_until(is_spread, "the buckets are open")


def test_without_the_replica_it_is_not_decided_where_the_log_begins(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed minutes, an empty topic, and no word of where to begin would stop publishing for good."""
    store = CountStore.known(connect())
    minute = Minute.at(clock.now(store.client))
    monkeypatch.setattr(PublishingState, "identify", lambda _: "")  # which had the replica still
    with stopped(pair.replica), pytest.raises(redis.TimeoutError, match="replicas hold"):
        PublishingState(store.client).begin_at(minute)


def test_without_the_replica_redis_gets_no_name_that_is_published(pair: Pair) -> None:
    """Not even one that an earlier attempt has left behind: a failover would bring another one."""
    with stopped(pair.replica):
        for _ in range(2):
            with pytest.raises(redis.TimeoutError, match="replicas hold"):
                PublishingState(connect()).identify()
    store = CountStore.known(connect())
    wait_until(lambda: is_named(store), "the replica has it")
    assert pair.client.get(keys.ID) == PublishingState(store.client).identity().encode()


def is_named(store: CountStore) -> bool:
    with suppress(redis.TimeoutError):  # the replica has to catch up first
        return bool(PublishingState(store.client).identify())
    return False


def test_without_the_replica_a_seal_is_not_relied_on(pair: Pair) -> None:
    """The minute's last batch would be published, and may be lost by a failover."""
    store = CountStore.known(connect())
    minute = SyncWriter(connect_for_accept()).record([1]).minute
    with stopped(pair.replica), pytest.raises(redis.TimeoutError, match="replicas hold"):
        store.seal(minute)


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_without_the_replica_nothing_is_published(pair: Pair) -> None:
    """A batch that only the primary has may come back under a later minute, after a failover."""
    store = CountStore.known(connect())
    minute = SyncWriter(connect_for_accept()).record([1]).minute
    PublishingState(store.client).begin_at(minute)
    store.seal(minute)
    with stopped(pair.replica):
        with pytest.raises(redis.TimeoutError, match="replicas hold"):
            Flush(store.client).run()
        assert unique_counts() == []

    def is_settled() -> bool:
        with suppress(redis.TimeoutError):  # the replica has to catch up first
            Flush(store.client).run()
        return store.settled() == minute

    wait_until(is_settled, "the minute is published")
    assert unique_counts() == [(str(minute), 1, 1)]
