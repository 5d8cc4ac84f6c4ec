"""A cluster of three brokers: the leader of the topic is killed, and the coordinator of the transaction."""

import pytest

from counter.store.counts import CountStore
from tasks.kafka.topics import UNIQUE_COUNTS, create_topics
from tasks.publishing import steps
from tests.faults.tally import Tally
from tests.support.processes import ServerProcess, wait_until
from tests.support.servers.kafka_cluster import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

COORDINATOR = "__transaction_state"


@pytest.fixture
def cluster(cluster: KafkaCluster) -> KafkaCluster:
    create_topics()
    wait_until(cluster.is_whole, "the topics have three replicas")
    return cluster


@pytest.mark.parametrize("point", ["2.init.after", "6b.commit.before", "6b.commit.after"])
def test_leader_and_coordinator_are_killed(
    cluster: KafkaCluster, store: CountStore, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    tally = Tally(store.client, store)
    tally.end_two_minutes()
    tally.flush_to_the_end()
    for topic in (UNIQUE_COUNTS, COORDINATOR):
        tally.end_two_minutes()
        killed: list[ServerProcess] = []

        def kill(reached: str, topic: str = topic, killed: list[ServerProcess] = killed) -> None:
            if reached == point and not killed:
                killed.append(cluster.brokers[cluster.leader(topic)])
                killed[0].kill()

        with monkeypatch.context() as patch:
            patch.setattr(steps, "watchers", [kill])
            tally.flush_to_the_end()
        tally.verify()
        killed[0].start()
        wait_until(cluster.is_whole, "three again", 120)
    tally.close()
