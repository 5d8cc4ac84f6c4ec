"""A cluster of three brokers: the leader of the topic is killed, and the coordinator of the transaction."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from pytest_django import Settings

from counter.store import CountStore
from embedded.kafka import Kafka
from embedded.ports import free_port
from tasks import steps
from tasks.brokers import Fenced, KafkaAway, StartOver
from tasks.flush import Flush
from tasks.topics import UNIQUE_COUNTS, create_topics
from tests.faults.tally import Tally
from tests.processes import Process, ServerProcess, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

COORDINATOR = "__transaction_state"


class Cluster:
    """Brokers by their number, and who leads what."""

    def __init__(self, brokers: dict[int, ServerProcess], bootstrap_servers: str) -> None:
        self.brokers = brokers
        self._bootstrap_servers = bootstrap_servers

    def leader(self, topic: str) -> int:
        admin = AdminClient({"bootstrap.servers": self._bootstrap_servers, "log_level": 0})
        return int(admin.list_topics(topic, timeout=10).topics[topic].partitions[0].leader)

    def is_whole(self) -> bool:
        admin = AdminClient({"bootstrap.servers": self._bootstrap_servers, "log_level": 0})
        with suppress(Exception):
            topics = admin.list_topics(timeout=2)
            partitions = [
                partition for topic in topics.topics.values() for partition in topic.partitions.values()
            ]
            return len(topics.brokers) == 3 and all(len(partition.isrs) == 3 for partition in partitions)
        return False


@pytest.fixture
def cluster(tmp_path: Path, settings: Settings) -> Iterator[Cluster]:
    ports = {number: free_port() for number in (1, 2, 3)}
    controllers = {number: free_port() for number in ports}
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in controllers.items())
    brokers = {}
    with ExitStack() as stack:
        for number, port in ports.items():
            properties = {
                "node.id": str(number),
                "controller.quorum.voters": voters,
                "listeners": f"BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controllers[number]}",
                "offsets.topic.replication.factor": "3",
                "transaction.state.log.replication.factor": "3",
                "transaction.state.log.min.isr": "2",
            }
            broker = ServerProcess(Kafka(tmp_path / str(number), port, properties=properties))
            stack.callback(broker.kill)
            Process.start(broker)  # one alone does not answer
            brokers[number] = broker
        settings.KAFKA_BOOTSTRAP_SERVERS = ",".join(f"127.0.0.1:{port}" for port in ports.values())
        cluster = Cluster(brokers, settings.KAFKA_BOOTSTRAP_SERVERS)
        wait_until(cluster.is_whole, "three brokers know one another")
        create_topics()
        wait_until(cluster.is_whole, "the topics have three replicas")
        yield cluster


def flush_to_the_end(tally: Tally) -> None:
    """As ticks do: again and again."""

    def settled() -> bool:
        with suppress(KafkaAway, StartOver, Fenced):
            Flush(tally.store).run()
        return tally.store.settled() == tally.store.sealed()

    wait_until(settled, "all is published")


@pytest.mark.parametrize("point", ["2.init.after", "6b.commit.before", "6b.commit.after"])
def test_leader_and_coordinator_are_killed(
    cluster: Cluster, store: CountStore, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    tally = Tally(store._redis, store)
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
