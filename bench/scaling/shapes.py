"""Tally in several shapes: so many web processes, buckets, and nodes of Valkey."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from bench.contenders import tally
from bench.machine import ROOT
from bench.servers import answers, process, wait
from bench.usage import Meter
from embedded.cluster import Node, introduce
from embedded.ports import free_port
from embedded.valkey import Valkey

DIRECTIVES = {"auto-aof-rewrite-percentage": "0"}
"""A rewrite would fall on one contender and not on another."""


@dataclass(frozen=True)
class Shape:
    """No cluster: one plain Valkey, which is no node of any."""

    webs: int = 2
    buckets: int = 1
    nodes: int = 1
    is_cluster: bool = False

    def __str__(self) -> str:
        servers = f"{_count(self.nodes, 'node')} of a cluster" if self.is_cluster else "one Valkey"
        return f"{_count(self.webs, 'web process', 'es')}, {_count(self.buckets, 'bucket')}, {servers}"


def _count(number: int, word: str, plural: str = "s") -> str:
    return f"{number} {word}{plural if number > 1 else ''}"


@dataclass
class Running:
    """One that answers calls."""

    url: str
    web_pid: int
    node_pids: list[int]
    clients: list[redis.Redis]

    def web(self) -> Meter:
        """What its web processes take."""
        return Meter([self.web_pid])

    def nodes(self) -> list[Meter]:
        """What each of its Valkeys takes."""
        return [Meter([pid]) for pid in self.node_pids]

    def told(self, section: str, name: str, field: str | None = None) -> int:
        """A figure of Valkey's INFO, over all nodes."""
        found = [client.info(section).get(name, 0) for client in self.clients]
        return sum(int(value[field]) if field and value else int(value) for value in found)


@contextmanager
def running(shape: Shape, folder: Path) -> Iterator[Running]:
    """Empty, and ready. Needs what `servers.backing` puts into the environment."""
    port = free_port()
    with ExitStack() as stack:
        valkeys = [Valkey(folder / f"node-{n}", free_port(), _directives(shape)) for n in range(shape.nodes)]
        pids = []
        for valkey in valkeys:
            valkey.prepare()
            pids.append(stack.enter_context(process(valkey.command, valkey.is_ready)).pid)
        clients = [stack.enter_context(redis.Redis.from_url(valkey.url)) for valkey in valkeys]
        if shape.is_cluster:
            _form(clients, [valkey.port for valkey in valkeys])
        env = ["env", f"REDIS_URL={_url(shape, valkeys)}", f"REDIS_BUCKETS={shape.buckets}"]
        if shape.is_cluster:
            env.append(f"CELERY_BROKER_URL={os.environ['REDIS_URL']}")
        if shape.buckets > 1:
            spread = [*env, sys.executable, "manage.py", "set_buckets"]
            subprocess.run(spread, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        command = [*env, *tally(shape.webs, port)]
        url = f"http://127.0.0.1:{port}"
        web = stack.enter_context(process(command, lambda: answers(url)))
        wait(lambda: len(Meter([web.pid]).processes) > shape.webs, f"{shape} has all its processes")
        yield Running(url, web.pid, pids, clients)


def _directives(shape: Shape) -> dict[str, str]:
    if not shape.is_cluster:
        return DIRECTIVES
    return DIRECTIVES | {"cluster-enabled": "yes", "cluster-port": str(free_port())}


def _url(shape: Shape, valkeys: Sequence[Valkey]) -> str:
    if not shape.is_cluster:
        return valkeys[0].url
    return "redis+cluster://" + ",".join(f"127.0.0.1:{valkey.port}" for valkey in valkeys)


def _form(clients: Sequence[redis.Redis], ports: Sequence[int]) -> None:
    """Masters alone, each with its part of the slots."""
    nodes = [
        Node(client, port, int(str(client.config_get("cluster-port")["cluster-port"])))
        for client, port in zip(clients, ports, strict=True)
    ]
    introduce(nodes, masters=len(nodes))
    known, ok = f"cluster_known_nodes:{len(nodes)}", "cluster_state:ok"
    wait(
        lambda: all(known in info and ok in info for info in (node.ask("INFO") for node in nodes)),
        "the cluster is whole",
    )
