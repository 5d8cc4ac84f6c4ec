"""The health panels: one for each thing that Tally leans on. Other packages add theirs.

A panel is asked in a request of its own, so that one that has to wait keeps nothing else waiting.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from counter.connection import masters
from counter.console.client import client
from counter.console.level import Level
from counter.health import problems

FULL = 0.8
"""Of Redis's memory; above it there is less than a quarter more to grow."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a panel."""

    label: str
    value: str
    level: Level = Level.OK


Panel = Callable[[], Iterator[Fact]]
_panels: dict[str, Panel] = {}


def panel(name: str) -> Callable[[Panel], Panel]:
    """Add a panel under this name, after those that are there. It must not raise when its thing is away."""

    def add(function: Panel) -> Panel:
        _panels[name] = function
        return function

    return add


def names() -> list[str]:
    """Of all panels, in the order they are shown in."""
    return list(_panels)


def read(name: str) -> tuple[Level, list[Fact]]:
    """What a panel says, and the worst of it. Raises KeyError for an unknown one."""
    facts = list(_panels[name]())
    return max((fact.level for fact in facts), key=list(Level).index, default=Level.OK), facts


@panel("Redis")
def redis_panel() -> Iterator[Fact]:
    """Whether counts are safe in it."""
    for problem in problems(client()):
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
