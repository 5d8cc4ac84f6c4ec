"""A Redis Cluster of three masters and three replicas, as processes on loopback.

Each node has an address of its own, from which it calls the others. Where `proxies` stand before the nodes,
clients and the nodes themselves know of one another by the proxies alone: so any of them can be cut off.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from embedded.cluster import Node, introduce
from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.support.processes import ServerProcess, wait_until
from tests.support.servers.proxy import Proxy, proxy_to

MASTERS = 3
NODE_TIMEOUT_MS = 1500
DIRECTIVES = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": str(NODE_TIMEOUT_MS),
    "cluster-replica-validity-factor": "0",
    "repl-diskless-sync-delay": "0",
    "aof-load-truncated": "yes",
}


@dataclass(frozen=True)
class Way:
    """Where a node is found: its ports for clients and for other nodes, and the address it calls from."""

    host: str
    port: int
    bus_port: int
    proxies: tuple[Proxy, Proxy] | None = None

    @property
    def directives(self) -> dict[str, str]:
        """What the node must be told, beside its own port for clients."""
        if not self.proxies:
            return {"cluster-port": str(self.bus_port)}
        return {
            "cluster-port": str(self.proxies[1].server_port),
            "bind-source-addr": self.host,
            "cluster-announce-ip": "127.0.0.1",
            "cluster-announce-port": str(self.port),
            "cluster-announce-bus-port": str(self.bus_port),
        }


class ValkeyCluster:
    """Its nodes by port. Whoever stops one starts it again, or leaves it to the failover."""

    def __init__(self, nodes: dict[int, ServerProcess], ways: dict[int, Way]) -> None:
        self.nodes = nodes
        self._ways = ways
        once = Retry(NoBackoff(), 0)
        self.clients = {port: redis.Redis(port=port, socket_timeout=1, retry=once) for port in nodes}
        self._nodes = {
            port: Node(client, ways[port].port, ways[port].bus_port) for port, client in self.clients.items()
        }

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{way.port}" for way in self._ways.values())

    def form(self) -> None:
        """Masters with their slots, and a replica for each."""
        introduce(list(self._nodes.values()), MASTERS)
        wait_until(
            lambda: all(len(self.ask(port, "NODES").splitlines()) == len(self.nodes) for port in self.nodes),
            "they met",
        )
        ports = list(self.nodes)
        for master, replica in zip(ports[:MASTERS], ports[MASTERS:], strict=True):
            self.ask(replica, "REPLICATE", self.ask(master, "MYID"))
        wait_until(self.is_whole, "the cluster is whole")

    def ask(self, port: int, *command: str | int) -> str:
        """What a node says to a CLUSTER command."""
        return self._nodes[port].ask(*command)

    def masters(self) -> list[int]:
        """Ports of the masters that are up."""
        return [port for port in self.nodes if self._is(port, "master")]

    def replicas(self) -> list[int]:
        """Ports of the replicas that are up."""
        return [port for port in self.nodes if self._is(port, "slave")]

    def master_of(self, key: str) -> int | None:
        """The port of the master that has the key now, where there is one."""
        for port in self.masters():
            with suppress(redis.RedisError):
                self.clients[port].exists(key)
                return port
        return None

    def expect_failover_after(self, milliseconds: int) -> None:
        """How long a master may be silent, from now on."""
        for client in self.clients.values():
            client.config_set("cluster-node-timeout", milliseconds)

    def cut_off(self, port: int, *, from_clients: bool) -> None:
        """The network is gone between this node and all others, and perhaps its clients: nobody is told."""
        hosts = [way.host for other, way in self._ways.items() if other != port]
        for other, way in self._ways.items():
            for proxy in way.proxies or ():
                if other != port:
                    proxy.hang(self._ways[port].host)
                elif from_clients:
                    proxy.hang()
                else:
                    proxy.hang(*hosts)

    def heal(self) -> None:
        """The network is there again."""
        for way in self._ways.values():
            for proxy in way.proxies or ():
                proxy.heal()

    def migrate(self, key: str, source: int, target: int) -> None:
        """Move the key's slot at once, as Valkey does it from version 9 on; under way when this returns."""
        slot = self._slot(key)
        self.ask(source, "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", self.ask(target, "MYID"))

    def migrate_by_keys(self, key: str, source: int, target: int) -> None:
        """Move the key's slot key by key, as every version does."""
        slot, ids = self._slot(key), {port: self.ask(port, "MYID") for port in self.masters()}
        self.ask(target, "SETSLOT", slot, "IMPORTING", ids[source])
        self.ask(source, "SETSLOT", slot, "MIGRATING", ids[target])
        client = self.clients[source]
        while names := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 20):  # type: ignore[no-untyped-call]
            client.migrate("127.0.0.1", target, names, 0, 5000)
        for port in (target, source, *(ids.keys() - {source, target})):
            self.ask(port, "SETSLOT", slot, "NODE", ids[target])

    def _slot(self, key: str) -> int:
        return int(self.clients[next(iter(self.clients))].cluster("KEYSLOT", key))

    def is_whole(self) -> bool:
        """Every slot is served, every master has a replica that is in step, and all agree."""
        masters = self.masters()
        return (
            len(masters) == MASTERS
            and all(self._is_ok(port) for port in self.nodes)
            and all(self._has_replica(port) for port in masters)
        )

    def _is(self, port: int, role: str) -> bool:
        with suppress(redis.RedisError):
            return bool(self.clients[port].info("replication")["role"] == role)
        return False

    def _is_ok(self, port: int) -> bool:
        with suppress(redis.RedisError):
            return "cluster_state:ok" in self.ask(port, "INFO")
        return False

    def _has_replica(self, port: int) -> bool:
        with suppress(redis.RedisError):
            info = self.clients[port].info("replication")
            return bool(info["connected_slaves"] and info["slave0"]["state"] == "online")
        return False


@contextmanager
def running(home: Path, *, proxies: bool = False) -> Iterator[ValkeyCluster]:
    """A cluster that is whole."""
    nodes, ways = {}, {}
    with ExitStack() as stack:
        for number in range(2 * MASTERS):
            port, host = free_port(), f"127.0.0.{number + 2}"
            if proxies:
                client, bus = (stack.enter_context(proxy_to(to)) for to in (port, free_port()))
                way = Way(host, client.port, bus.port, (client, bus))
            else:
                way = Way(host, port, free_port())
            process = ServerProcess(Valkey(home / f"node-{number}", port, DIRECTIVES | way.directives))
            stack.callback(process.kill)
            process.start()
            nodes[port], ways[port] = process, way
        cluster = ValkeyCluster(nodes, ways)
        cluster.form()
        yield cluster
