"""A Redis Cluster whose masters are killed, stopped and cut off, whose slots move: exact, under load."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count, islice
from signal import SIGCONT, SIGSTOP

import pytest
import redis
from django.conf import settings
from pytest_django import Settings
from redis.exceptions import RedisError

from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect, connect_for_accept, masters, refresh
from counter.sinks.outcome import Unavailable
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from counter.store.rebucketing import spread_over
from tasks.errors import KafkaAway, StartOver
from tasks.publishing.flush import Flush
from tests.support.callers.load import Load
from tests.support.checker import Calls, verify, verify_waiting
from tests.support.processes import ServerProcess, wait_until
from tests.support.reading import unique_counts
from tests.support.servers.redis_cluster import NODE_TIMEOUT_MS, ValkeyCluster, running
from tests.support.tally.web import serving

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]

BUCKETS = 16
IDS = 100
MOVED_NUMBER = 3
ATTEMPTS = 3
"""At a failover that comes after the seal."""
MOVED = keys.buckets(BUCKETS)[MOVED_NUMBER]
"""The bucket that the tests do something to."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    with running(tmp_path_factory.mktemp("cluster"), proxies=True) as cluster:
        yield cluster


@pytest.fixture
def cluster(nodes: ValkeyCluster, settings: Settings, valkey_process: ServerProcess) -> ValkeyCluster:
    """Whole and empty, for calls that are on a replica's disk, too, when they are answered."""
    wait_until(nodes.is_whole, "the cluster is whole")
    settings.REDIS_URL = nodes.url
    settings.REDIS_BUCKETS = BUCKETS
    settings.ACCEPT_REPLICAS = 1
    for port in nodes.masters():
        nodes.clients[port].flushall()
    with connect() as client:
        wait_until(lambda: _spread(client), "the buckets are open")
    return nodes


def _spread(client: redis.Redis) -> bool:
    with suppress(RedisError):
        return spread_over(client, BUCKETS)
    return False


@pytest.fixture(scope="module")
def url(nodes: ValkeyCluster, valkey_process: ServerProcess) -> Iterator[str]:
    """A web server of two workers, through all that befalls the cluster."""
    env = {
        "REDIS_URL": nodes.url,
        "REDIS_BUCKETS": str(BUCKETS),
        "ACCEPT_REPLICAS": "1",
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,  # which can't be the cluster
    }
    with serving("web", workers=2, **env) as url:
        yield url


@contextmanager
def load(url: str) -> Iterator[Load]:
    """Callers whose calls are accepted."""
    with Load(url, clients=6, ids=IDS) as load:
        load.wait_for(200)
        yield load


def wait_for_every_id(load: Load) -> None:
    """Until calls for all of them are accepted again, in whatever bucket they are."""
    before = load.calls.ok
    wait_until(lambda: all(load.calls.ok[id] > before[id] for id in range(IDS)), "every bucket accepts")


def end_minute() -> Minute:
    """End the present minute in every bucket, whatever is in the way."""
    sealed: list[Minute] = []

    def seal() -> bool:
        with suppress(RedisError), closing(connect()) as client:
            store = CountStore.known(client)
            pending = store.pending()
            PublishingState(store.client).begin_at(pending[0])
            store.seal(pending[-1])
            sealed.append(pending[-1])
        return bool(sealed)

    wait_until(seal, "the minute is sealed")
    return sealed[0]


def flush() -> None:
    """As ticks do: again and again, until all that is sealed is published."""

    def is_drained() -> bool:
        with suppress(RedisError, KafkaAway, StartOver), closing(connect()) as client:
            store = CountStore.known(client)
            Flush(store.client).run()
            sealed = store.sealed()
            return sealed is not None and not store.pending(sealed)
        return False

    wait_until(is_drained, "all is published")


def owner(cluster: ValkeyCluster) -> int:
    """The port of the master that has the bucket."""
    port = cluster.master_of(MOVED.sealed)
    assert port
    return port


def judge(load: Load) -> None:
    """All that was accepted is published, and exact; with nothing in the way a flush gets through at once."""
    end_minute()
    flush()
    with connect() as client:
        Flush(client).run()
    with connect() as client:
        verify(load.calls, client)


def test_a_minute_over_three_nodes_is_published_once(cluster: ValkeyCluster, url: str) -> None:
    with load(url) as callers:
        end_minute()
        flush()
        callers.wait_for(200)
    with connect() as client:
        in_each = [node.dbsize() for node in masters(client)]
        assert all(count > 20 for count in in_each), in_each
    judge(callers)


def test_a_master_is_killed_under_load(cluster: ValkeyCluster, url: str) -> None:
    with load(url) as callers:
        port = owner(cluster)
        cluster.nodes[port].kill()
        callers.wait_for(200)  # the ids of other nodes
        wait_until(lambda: cluster.master_of(MOVED.sealed) not in (None, port), "a replica takes over")
        cluster.nodes[port].start()
        wait_until(cluster.is_whole, "the killed one is a replica")
        end_minute()
        flush()
        wait_for_every_id(callers)
    judge(callers)


@pytest.mark.slow
def test_a_master_is_stopped_under_load(cluster: ValkeyCluster, url: str) -> None:
    """Its callers are refused and the others are not, until a replica takes over; then it comes back."""
    with load(url) as callers:
        port = owner(cluster)
        refused = callers.calls.unknown.total()
        cluster.nodes[port].send(SIGSTOP)
        try:
            wait_until(lambda: callers.calls.unknown.total() > refused, "some are refused")
            callers.wait_for(200)
            wait_until(lambda: cluster.master_of(MOVED.sealed) not in (None, port), "a replica takes over")
            with connect() as client, pytest.raises(RedisError):
                Flush(client).run()  # nothing is sealed that no replica holds
            assert unique_counts() == []
        finally:
            cluster.nodes[port].send(SIGCONT)
        wait_until(cluster.is_whole, "the cluster is whole")
        end_minute()
        flush()
        wait_for_every_id(callers)
    judge(callers)


@pytest.mark.parametrize(
    "from_clients",
    [
        pytest.param(False, id="from other nodes"),
        pytest.param(True, id="from everyone", marks=pytest.mark.slow),
    ],
)
def test_a_master_is_cut_off_under_load(cluster: ValkeyCluster, url: str, from_clients: bool) -> None:
    """Until the network is back its replica serves those that can reach it, and nothing is published."""
    with load(url) as callers:
        port = owner(cluster)
        refused = callers.calls.unknown.total()
        cluster.cut_off(port, from_clients=from_clients)
        try:
            wait_until(lambda: callers.calls.unknown.total() > refused, "some are refused")
            callers.wait_for(200)
            wait_until(lambda: cluster.master_of(MOVED.sealed) not in (None, port), "a replica takes over")
            with connect() as client, pytest.raises(RedisError):
                Flush(client).run()
            assert unique_counts() == []
        finally:
            cluster.heal()
        wait_until(cluster.is_whole, "the cluster is whole")
        end_minute()
        flush()
        wait_for_every_id(callers)
    judge(callers)


def test_what_a_master_takes_while_it_is_cut_off_is_not_acknowledged(cluster: ValkeyCluster) -> None:
    """It does not know yet that it is, and forgets it when it is a replica."""

    def holds(port: int, id: int) -> bool:
        return any(cluster.clients[port].scan_iter(f"*_{id}"))

    port = owner(cluster)
    first, second = islice((id for id in count() if keys.spread(id, BUCKETS) == MOVED_NUMBER), 2)
    with closing(connect_for_accept()) as client:
        recorder = SyncWriter(client)
        recorder.record([first])
        cluster.expect_failover_after(60_000)
        cluster.cut_off(port, from_clients=False)
        try:
            with pytest.raises(Unavailable, match="replicas hold"):
                recorder.record([second])
            assert holds(port, second)
            cluster.expect_failover_after(NODE_TIMEOUT_MS)
            wait_until(lambda: cluster.master_of(MOVED.sealed) not in (None, port), "a replica takes over")
        finally:
            cluster.heal()
    wait_until(cluster.is_whole, "the cluster is whole")
    wait_until(lambda: not holds(port, second), "it has forgotten")
    with connect() as client:
        verify_waiting(Calls(ok=Counter([first])), client)


def test_a_seal_that_a_failover_has_taken_back_is_set_again(
    cluster: ValkeyCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When `seal` returns, every bucket is sealed on a replica, too."""
    hold, lost = CountStore._hold, list[bool]()

    def fail_over_and_hold(self: CountStore, minute: Minute) -> None:
        cluster.expect_failover_after(NODE_TIMEOUT_MS)
        wait_until(lambda: cluster.master_of(MOVED.sealed) not in (None, port), "a replica takes over")
        cluster.heal()
        wait_until(cluster.is_whole, "the cluster is whole")
        refresh(client)
        lost.append(any(client.get(bucket.sealed) != str(minute).encode() for bucket in self.buckets))
        hold(self, minute)

    monkeypatch.setattr(CountStore, "_hold", fail_over_and_hold)
    while not any(lost):  # a replica may have taken over before anything was sealed
        assert len(lost) < ATTEMPTS, "none of the failovers has taken anything back"
        port = owner(cluster)
        cluster.expect_failover_after(60_000)
        cluster.cut_off(port, from_clients=False)
        try:
            with closing(connect()) as client:
                store = CountStore.known(client)
                store.seal(minute := Minute.at(clock.now(client)) + len(lost))
                assert {client.get(bucket.sealed) for bucket in store.buckets} == {str(minute).encode()}
        finally:
            cluster.expect_failover_after(NODE_TIMEOUT_MS)
            cluster.heal()


@pytest.mark.parametrize("move", ["at once", "key by key"])
def test_a_slot_moves_under_load(cluster: ValkeyCluster, url: str, move: str) -> None:
    source = owner(cluster)
    target = next(port for port in cluster.masters() if port != source)
    with load(url) as callers:
        if move == "at once":
            cluster.migrate(MOVED.sealed, source, target)
        else:
            cluster.migrate_by_keys(MOVED.sealed, source, target)
        wait_until(lambda: cluster.master_of(MOVED.sealed) == target, "the slot has moved")
        end_minute()
        flush()
        callers.wait_for(500)
    judge(callers)
