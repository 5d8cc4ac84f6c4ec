"""The panel of Redis."""

from collections.abc import Iterator
from typing import Any

from redis.exceptions import RedisError

from console.client import client
from console.level import Level
from console.panels.registry import Fact, panel
from counter.monitoring.health import redis_problems
from counter.redis.clients import masters

FULL = 0.8
"""Of Redis's memory; above it there is less than a quarter more to grow."""


@panel("Redis")
def redis_panel() -> Iterator[Fact]:
    """Whether counts are safe in it."""
    for problem in redis_problems(client()):
        yield Fact("Problem", problem, Level.BAD)
    try:
        nodes = [node.info("everything") for node in masters(client())]
    except RedisError:
        return  # which is the problem above
    for info in nodes:
        if len(nodes) > 1:
            yield Fact("Node", f"port {info['tcp_port']}")
        yield from _facts(info)


def _facts(info: dict[str, Any]) -> Iterator[Fact]:
    limit, used = info["maxmemory"], info["used_memory"]
    yield Fact(
        "Memory",
        info["used_memory_human"] + (f" of {info['maxmemory_human']}" if limit else ", no limit"),
        Level.WARN if limit and used > FULL * limit else Level.OK,
    )
    yield Fact("Append-only file", "on" if info["aof_enabled"] else "off")
    yield Fact("Eviction policy", info["maxmemory_policy"])
    yield Fact("Clients", str(info["connected_clients"]))
    name = info.get("server_name", "redis")
    yield Fact("Version", f"{name} {info.get('valkey_version', info['redis_version'])}")
