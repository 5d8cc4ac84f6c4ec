"""A Redis Cluster under load: masters are killed and stopped, slots move; nothing is lost or doubled."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from signal import SIGCONT, SIGSTOP

import pytest
import redis
from django.conf import settings
from pytest_django import Settings
from redis.exceptions import RedisError

from counter import keys
from counter.connection import connect, masters
from counter.layout import spread_over
from counter.minute import Minute
from counter.store import CountStore
from tasks.brokers import KafkaAway, StartOver
from tasks.flush import Flush
from tests.checker import verify
from tests.cluster import ValkeyCluster, running
from tests.load import Load
from tests.processes import ServerProcess, wait_until
from tests.reading import unique_counts
from tests.web import serving

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]

BUCKETS = 16
MOVED = keys.buckets(BUCKETS)[3]
"""The bucket that the tests do something to."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    with running(tmp_path_factory.mktemp("cluster")) as cluster:
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


@contextmanager
def load(cluster: ValkeyCluster) -> Iterator[Load]:
    """Callers of a web server, and of another one."""
    broker = settings.CELERY_BROKER_URL  # which can't be the cluster
    env = {"REDIS_URL": cluster.url, "ACCEPT_REPLICAS": "1", "CELERY_BROKER_URL": broker}
    with serving("asgi", workers=2, **env) as url, Load(url, clients=6, ids=300) as load:
        load.wait_for(200)
        yield load


def end_minute() -> Minute:
    """End the present minute in every bucket, whatever is in the way."""
    sealed: list[Minute] = []

    def seal() -> bool:
        with suppress(RedisError), closing(connect()) as client:
            store = CountStore(client)
            store.learn()
            pending = store.pending()
            store.begin_at(pending[0])
            store.seal(pending[-1])
            sealed.append(pending[-1])
        return bool(sealed)

    wait_until(seal, "the minute is sealed")
    return sealed[0]


def flush() -> None:
    """As ticks do: again and again, until all that is sealed is published."""

    def is_drained() -> bool:
        with suppress(RedisError, KafkaAway, StartOver), closing(connect()) as client:
            store = CountStore(client)
            Flush(store).run()
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
        Flush(CountStore(client)).run()
    with connect() as client:
        verify(load.calls, client)


def test_a_minute_over_three_nodes_is_published_once(cluster: ValkeyCluster) -> None:
    with load(cluster) as callers:
        end_minute()
        flush()
        callers.wait_for(200)
    with connect() as client:
        in_each = [node.dbsize() for node in masters(client)]
        assert all(count > 20 for count in in_each), in_each
    judge(callers)


def test_a_master_is_killed_under_load(cluster: ValkeyCluster) -> None:
    with load(cluster) as callers:
        port = owner(cluster)
        cluster.nodes[port].kill()
        callers.wait_for(200)  # the ids of other nodes
        wait_until(lambda: cluster.master_of(MOVED.sealed) not in (None, port), "a replica takes over")
        cluster.nodes[port].start()
        wait_until(cluster.is_whole, "the killed one is a replica")
        end_minute()
        flush()
        callers.wait_for(2000)
    assert callers.calls.ok.keys() == set(range(300)), "also those of its buckets"
    judge(callers)


@pytest.mark.slow
def test_a_master_is_stopped_under_load(cluster: ValkeyCluster) -> None:
    """Its callers are refused and the others are not, until a replica takes over; then it comes back."""
    with load(cluster) as callers:
        port = owner(cluster)
        refused = callers.calls.unknown.total()
        cluster.nodes[port].send(SIGSTOP)
        try:
            wait_until(lambda: callers.calls.unknown.total() > refused, "some are refused")
            callers.wait_for(200)
            wait_until(lambda: cluster.master_of(MOVED.sealed) not in (None, port), "a replica takes over")
            with connect() as client, pytest.raises(RedisError):
                Flush(CountStore(client)).run()  # nothing is sealed that no replica holds
            assert unique_counts() == []
        finally:
            cluster.nodes[port].send(SIGCONT)
        wait_until(cluster.is_whole, "the cluster is whole")
        end_minute()
        flush()
        callers.wait_for(2000)
    judge(callers)


@pytest.mark.parametrize("move", ["at once", "key by key"])
def test_a_slot_moves_under_load(cluster: ValkeyCluster, move: str) -> None:
    source = owner(cluster)
    target = next(port for port in cluster.masters() if port != source)
    with load(cluster) as callers:
        if move == "at once":
            cluster.migrate(MOVED.sealed, source, target)
        else:
            cluster.migrate_by_keys(MOVED.sealed, source, target)
        wait_until(lambda: cluster.master_of(MOVED.sealed) == target, "the slot has moved")
        end_minute()
        flush()
        callers.wait_for(500)
    judge(callers)
