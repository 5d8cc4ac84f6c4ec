"""A Kafka cluster of three brokers, as processes on loopback, each also reached through a proxy."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from embedded.kafka import Kafka
from embedded.ports import free_port
from tests.support.processes import ServerProcess, wait_until
from tests.support.servers.proxy import Proxy, proxy_to, two_ways

NUMBERS = (1, 2, 3)
INTERNAL_TOPICS = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}


class KafkaCluster:
    """Its brokers and the proxies before them, by number. Whoever stops one starts it again."""

    def __init__(
        self, brokers: dict[int, ServerProcess], ports: list[int], proxies: dict[int, Proxy]
    ) -> None:
        self.brokers = brokers
        self.proxies = proxies
        self.bootstrap_servers = _addresses(ports)
        self.proxied_servers = _addresses([proxy.port for proxy in proxies.values()])

    def leader(self, topic: str) -> int:
        """The number of the broker that leads the topic's first partition."""
        return int(self._admin().list_topics(topic, timeout=10).topics[topic].partitions[0].leader)

    def is_whole(self) -> bool:
        """Whether every partition is in step on three brokers."""
        with suppress(KafkaException):
            known = self._admin().list_topics(timeout=2)
            partitions = [each for topic in known.topics.values() for each in topic.partitions.values()]
            return len(known.brokers) == len(NUMBERS) and all(
                len(each.isrs) == len(NUMBERS) for each in partitions
            )
        return False

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})


@contextmanager
def running(home: Path) -> Iterator[KafkaCluster]:
    """A cluster that is whole, without topics."""
    ports = {number: free_port() for number in NUMBERS}
    controllers = {number: free_port() for number in NUMBERS}
    with ExitStack() as stack:
        proxies = {number: stack.enter_context(proxy_to(free_port())) for number in NUMBERS}
        brokers = {}
        for number, port in ports.items():
            properties = two_ways(port, proxies[number], number, controllers) | INTERNAL_TOPICS
            broker = ServerProcess(Kafka(home / f"kafka-{number}", port, properties=properties))
            stack.callback(broker.kill)
            broker.launch()  # one alone does not answer
            brokers[number] = broker
        cluster = KafkaCluster(brokers, list(ports.values()), proxies)
        wait_until(cluster.is_whole, "three brokers know one another")
        yield cluster


def _addresses(ports: list[int]) -> str:
    return ",".join(f"127.0.0.1:{port}" for port in ports)
