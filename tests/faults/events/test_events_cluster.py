"""Event mode on a Redis Cluster: counts and progress are in many buckets, of which some lose their master."""

import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from pytest_django import Settings
from redis.exceptions import RedisError

from counter.minute import Minute
from counter.redis.clients import connect
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.rebucketing import spread_over
from tasks.errors import KafkaAway, StartOver
from tasks.publishing.flush import Flush
from tests.support.checker import Calls, verify
from tests.support.processes import ServerProcess, wait_until
from tests.support.requests_topic import Requests, at, consolidating
from tests.support.servers.redis_cluster import ValkeyCluster, running
from tests.support.tally.audit import audit

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("kafka")]

BUCKETS, MINUTES = 16, 4


@pytest.fixture
def cluster(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings, valkey_process: ServerProcess
) -> Iterator[ValkeyCluster]:
    """Empty, with its buckets open."""
    with running(tmp_path_factory.mktemp("cluster")) as cluster:
        settings.REDIS_URL = cluster.url
        settings.REDIS_BUCKETS = BUCKETS
        settings.ACCEPT_REPLICAS = 1
        settings.ACCEPT_SINK = "kafka"
        with closing(connect()) as client:
            spread_over(client, BUCKETS)
        yield cluster


def test_a_master_is_killed_while_events_are_counted(cluster: ValkeyCluster) -> None:
    topic, first, calls = Requests(), Minute.at(time.time()) - 30, Calls()
    key = keys.buckets(BUCKETS)[3].sealed
    killed = cluster.master_of(key)
    assert killed
    with consolidating(2):
        for n in range(MINUTES):
            for partition in range(topic.partitions):
                ids = [*range(partition * 1000, partition * 1000 + 500)] * 2
                topic.append(partition, at(first + n), *ids)
                calls.ok.update(ids)
            if n == 1:
                cluster.nodes[killed].kill()
        topic.mark(at(first + MINUTES))
        wait_until(lambda: cluster.master_of(key) not in (None, killed), "a replica takes over")
        cluster.nodes[killed].start()
        wait_until(cluster.is_whole, "the killed one is a replica")
        with closing(connect()) as client:
            topic.wait_counted(client)

    def is_published() -> bool:
        with suppress(RedisError, KafkaAway, StartOver), closing(connect()) as client:
            Flush(client).run()
            return CountStore.known(client).settled() == first + MINUTES - 1
        return False

    wait_until(is_published, "all minutes are published")
    with closing(connect()) as client:
        verify(calls, client)
    status, text = audit(f"--since={first}", f"--until={first + MINUTES - 1}")
    assert status == 0, text
