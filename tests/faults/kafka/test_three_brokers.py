"""A cluster of three brokers: the leader of the topic is killed, and the coordinator of the transaction."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pytest_django import Settings

from counter.store.counts import CountStore
from tasks.errors import Fenced, KafkaAway, StartOver
from tasks.kafka.topics import UNIQUE_COUNTS, create_topics
from tasks.publishing import steps
from tasks.publishing.flush import Flush
from tests.faults.tally import Tally
from tests.support.processes import ServerProcess, wait_until
from tests.support.servers.kafka_cluster import KafkaCluster, running

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

COORDINATOR = "__transaction_state"


@pytest.fixture
def cluster(tmp_path: Path, settings: Settings) -> Iterator[KafkaCluster]:
    with running(tmp_path) as cluster:
        settings.KAFKA_BOOTSTRAP_SERVERS = cluster.bootstrap_servers
        create_topics()
        wait_until(cluster.is_whole, "the topics have three replicas")
        yield cluster


def flush_to_the_end(tally: Tally) -> None:
    """As ticks do: again and again."""

    def settled() -> bool:
        with suppress(KafkaAway, StartOver, Fenced):
            Flush(tally.store.client).run()
        return tally.store.settled() == tally.store.sealed()

    wait_until(settled, "all is published")


@pytest.mark.parametrize("point", ["2.init.after", "6b.commit.before", "6b.commit.after"])
def test_leader_and_coordinator_are_killed(
    cluster: KafkaCluster, store: CountStore, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    tally = Tally(store.client, store)
    tally.end_two_minutes()
    flush_to_the_end(tally)
    for topic in (UNIQUE_COUNTS, COORDINATOR):
        tally.end_two_minutes()
        killed: list[ServerProcess] = []

        def kill(reached: str, topic: str = topic, killed: list[ServerProcess] = killed) -> None:
            if reached == point and not killed:
                killed.append(cluster.brokers[cluster.leader(topic)])
                killed[0].kill()

        with monkeypatch.context() as patch:
            patch.setattr(steps, "watchers", [kill])
            flush_to_the_end(tally)
        tally.verify()
        killed[0].start()
        wait_until(cluster.is_whole, "three again", 120)
    tally.close()
