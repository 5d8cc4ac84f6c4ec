"""A Redis Cluster of servers that run on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

SLOTS = 16384


@dataclass(frozen=True, slots=True)
class Node:
    """A server with `cluster-enabled`, and the ports at which clients and other nodes find it."""

    client: redis.Redis
    port: int
    bus_port: int

    def ask(self, *command: str | int) -> str:
        """What it says to a CLUSTER command. Raises RedisError."""
        reply = self.client.execute_command("CLUSTER", *command)  # type: ignore[no-untyped-call]
        return bytes(reply).decode()


def introduce(nodes: Sequence[Node], masters: int) -> None:
    """Share the slots out over the first `masters` of these new nodes, and have all of them meet.

    They need some time to know of one another; the rest are masters without slots until then.
    """
    for number, node in enumerate(nodes[:masters]):
        begin, end = (SLOTS * n // masters for n in (number, number + 1))
        node.ask("ADDSLOTSRANGE", begin, end - 1)
    for epoch, node in enumerate(nodes, 1):
        node.ask("SET-CONFIG-EPOCH", epoch)
    for node in nodes[1:]:
        node.ask("MEET", "127.0.0.1", nodes[0].port, nodes[0].bus_port)
