"""The servers below a soak: one Valkey and one Kafka, or a cluster of each."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Protocol

from django.test import override_settings
from django.utils.functional import cached_property

from counter.redis.clients import connect
from counter.store.rebucketing import spread_over
from embedded.kafka import Kafka
from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.support.processes import ServerProcess, run
from tests.support.servers import kafka_cluster, redis_cluster
from tests.support.servers.proxy import Proxy, proxy_to, two_ways
from tests.support.servers.redis_cluster import ValkeyCluster

HOME = Path(os.environ["TALLY_HOME"])
BUCKETS = 16
VALKEY, KAFKA, CELERYS, BROKER = "Valkey", "Kafka", "Celery's Valkey", "a broker of Kafka"
"""The kinds of servers, and of the ways that lead to them."""


class Server(Protocol):
    """What can be killed and started again, stopped and continued."""

    def kill(self) -> None: ...
    def launch(self) -> None: ...
    def send(self, number: Signals) -> None: ...


class Elected:
    """A node of a cluster: which one is decided when it is struck, among those that `candidates` then names.

    `pick` is a number below 1.
    """

    def __init__(self, valkeys: ValkeyCluster, candidates: Callable[[], list[int]], pick: float) -> None:
        self._valkeys = valkeys
        self._candidates = candidates
        self._pick = pick

    def kill(self) -> None:
        self._node.kill()

    def launch(self) -> None:
        self._node.launch()

    def send(self, number: Signals) -> None:
        self._node.send(number)

    def cut_off(self, *, from_clients: bool) -> None:
        """From all other nodes."""
        self._valkeys.cut_off(self._port, from_clients=from_clients)

    @property
    def _node(self) -> ServerProcess:
        return self._valkeys.nodes[self._port]

    @cached_property
    def _port(self) -> int:
        ports = self._candidates() or list(self._valkeys.nodes)  # on a busy machine none may answer in time
        return ports[int(self._pick * len(ports))]


@dataclass(frozen=True)
class Servers:
    """What a stack stands on; of each kind one at a time is struck."""

    env: dict[str, str]
    """How programs find them: by the proxies alone"""
    ways: dict[str, list[Proxy]]
    """By kind"""
    each: dict[str, list[ServerProcess]]
    """By kind"""
    valkeys: ValkeyCluster | None = None


@contextmanager
def one_of_each() -> Iterator[Servers]:
    """A Valkey, which also carries Celery's messages, and a Kafka."""
    with ExitStack() as stack:
        valkey, redis_proxy = _valkey(stack)
        kafka_proxy = stack.enter_context(proxy_to(free_port()))
        port = int(os.environ["KAFKA_PORT"])
        kafka = ServerProcess(Kafka(HOME / "kafka", port, properties=two_ways(port, kafka_proxy)))
        stack.enter_context(run(kafka))
        yield Servers(
            {
                "REDIS_URL": f"redis://127.0.0.1:{redis_proxy.port}/0",
                "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka_proxy.port}",
            },
            {VALKEY: [redis_proxy], KAFKA: [kafka_proxy]},
            {VALKEY: [valkey], KAFKA: [kafka]},
        )


@contextmanager
def clusters() -> Iterator[Servers]:
    """Three masters with a replica each, three brokers, and a Valkey for Celery's messages."""
    with ExitStack() as stack:
        valkey, broker_proxy = _valkey(stack)
        valkeys = stack.enter_context(redis_cluster.running(HOME / "valkeys", proxies=True))
        kafkas = stack.enter_context(kafka_cluster.running(HOME / "kafkas"))
        shared = {"REDIS_URL": valkeys.url, "REDIS_BUCKETS": BUCKETS, "ACCEPT_REPLICAS": 1}
        stack.enter_context(override_settings(**shared, KAFKA_BOOTSTRAP_SERVERS=kafkas.bootstrap_servers))
        with connect() as client:
            spread_over(client, BUCKETS)
        yield Servers(
            {name: str(value) for name, value in shared.items()}
            | {
                "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker_proxy.port}/0",
                "KAFKA_BOOTSTRAP_SERVERS": kafkas.proxied_servers,
            },
            {CELERYS: [broker_proxy], BROKER: list(kafkas.proxies.values())},
            {CELERYS: [valkey], BROKER: list(kafkas.brokers.values())},
            valkeys,
        )


def _valkey(stack: ExitStack) -> tuple[ServerProcess, Proxy]:
    port = int(os.environ["REDIS_PORT"])
    valkey = ServerProcess(Valkey(HOME / "valkey", port))
    stack.enter_context(run(valkey))
    return valkey, stack.enter_context(proxy_to(port))
