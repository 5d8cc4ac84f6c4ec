"""Shapes of Tally under full load, and minutes of many ids on their way to Kafka.

All shapes run at the same time, and are called in turn, several rounds of all: a machine that is faster at
one time than at another is so for all of them. So with the flushes, from one bucket and from sixteen.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench.load import batched_ids_per_second, calls_per_second
from bench.machine import ROOT, describe
from bench.reporting.progress import say
from bench.scaling.shapes import Running, Shape, running
from bench.servers import Backing, fresh
from bench.usage import Meter

FEW, MANY = 1, 16
ONE, BASE, FOUR = (Shape(webs) for webs in (1, 2, 4))
FOUR_BUCKETS, MANY_BUCKETS = (Shape(buckets=buckets) for buckets in (4, MANY))
ONE_NODE, THREE_NODES = (Shape(buckets=MANY, nodes=nodes, is_cluster=True) for nodes in (1, 3))
CROWDED = (BASE, MANY_BUCKETS, ONE_NODE, THREE_NODES)
CROWD = 1024
"""Connections: more calls are under way, so more leave in one script."""

SHAPES = (ONE, BASE, FOUR, FOUR_BUCKETS, MANY_BUCKETS, ONE_NODE, THREE_NODES)


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    rounds: int
    seconds: float
    flushes: int
    flushed_ids: int


QUICK = Size(rounds=1, seconds=2, flushes=2, flushed_ids=100_000)
FULL = Size(rounds=5, seconds=6, flushes=6, flushed_ids=1_000_000)


@dataclass(frozen=True)
class Round:
    """One shape under full load for some seconds; figures of all its processes are sums."""

    calls: float
    """Answered, or ids where calls are batches"""
    seconds: float
    web_cpu: float
    web_busiest: float
    """Of its threads, in seconds of processor time"""
    node_cpu: float
    node_busiest: float
    scripts: int
    redis_bytes: int
    """On the wire, in and out"""
    file_bytes: int
    """By which append-only files grew"""
    web_megabytes: float


@dataclass(frozen=True)
class Flushed:
    """A minute of so many ids, published and settled."""

    ids: int
    seconds: float
    worker_cpu: float
    broker_cpu: float
    broker_bytes: int
    """By which Kafka's files grew"""
    redis_bytes: int
    """By which Redis's memory grew"""


@dataclass
class Results:
    """All of one run."""

    machine: dict[str, str]
    rounds: dict[Shape, list[Round]]
    crowds: dict[Shape, list[Round]]
    """The same from a CROWD"""
    batches: dict[Shape, Round]
    flushes: dict[int, list[Flushed]]
    """By buckets"""
    http_bytes: int
    """Of a call and its answer"""


def measure(size: Size) -> Results:
    """Calls, then flushes."""
    with fresh(kafka=False) as back, ExitStack() as stack:
        say(f"starting {len(SHAPES)} shapes")
        shapes = {
            shape: stack.enter_context(running(shape, back.folder / f"shape-{n}"))
            for n, shape in enumerate(SHAPES)
        }
        rounds: dict[Shape, list[Round]] = {shape: [] for shape in shapes}
        crowds: dict[Shape, list[Round]] = {shape: [] for shape in CROWDED}
        for number in range(size.rounds):
            for shape, of in shapes.items():
                say(f"round {number + 1} of {size.rounds}: {shape}")
                rounds[shape].append(call(of, size.seconds))
            for shape, of_crowd in crowds.items():
                say(f"round {number + 1} of {size.rounds}: {shape}, {CROWD} connections")
                of_crowd.append(call(shapes[shape], size.seconds, crowd))
        say("batches")
        batches = {
            shape: call(shapes[shape], size.seconds, batched_ids_per_second) for shape in (BASE, THREE_NODES)
        }
        http = http_bytes(shapes[BASE].url)
    return Results(describe(), rounds, crowds, batches, flush(size), http)


crowd = partial(calls_per_second, connections=CROWD)


def call(of: Running, seconds: float, load: Callable[[str, float], float] = calls_per_second) -> Round:
    """As fast as it answers."""

    def told() -> tuple[int, int, int]:
        wire = of.told("stats", "total_net_input_bytes") + of.told("stats", "total_net_output_bytes")
        scripts = of.told("commandstats", "cmdstat_evalsha", "calls")
        return scripts, wire, of.told("persistence", "aof_current_size")

    before, web, nodes = told(), of.web(), of.nodes()
    rate = load(of.url, seconds)
    web_used, nodes_used = web.read(), [node.read() for node in nodes]
    scripts, wire, files = (after - then for after, then in zip(told(), before, strict=True))
    return Round(
        calls=rate * seconds,
        seconds=web_used.seconds,
        web_cpu=web_used.cpu,
        web_busiest=web_used.busiest,
        node_cpu=sum(used.cpu for used in nodes_used),
        node_busiest=max(used.busiest for used in nodes_used),
        scripts=scripts,
        redis_bytes=wire,
        file_bytes=files,
        web_megabytes=sum(process.memory_info().rss for process in web.processes) / 2**20,
    )


def http_bytes(url: str) -> int:
    """Of one call as the load generator sends it, and its answer."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    call = f"GET /api/verve/accept?id=123456 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    with socket.create_connection((host, port)) as caller:
        caller.sendall(call)
        return len(call) + len(caller.recv(65536))


def flush(size: Size) -> dict[int, list[Flushed]]:
    """From one bucket and from many, in turn and with the same servers, each first as often as the other."""
    flushes: dict[int, list[Flushed]] = {FEW: [], MANY: []}
    with fresh(kafka=True) as back:
        for number in range(size.flushes):
            for buckets in sorted(flushes, reverse=bool(number % 2)):
                say(f"flush {number + 1} of {size.flushes}: {size.flushed_ids} ids, {buckets} buckets")
                env = os.environ | {"REDIS_BUCKETS": str(buckets)}
                spread = [sys.executable, "manage.py", "set_buckets"]
                subprocess.run(spread, cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
                flushes[buckets].append(flush_once(back, env, size.flushed_ids))
    return flushes


def flush_once(back: Backing, env: Mapping[str, str], ids: int) -> Flushed:
    """Fill a minute, and publish it in a process of its own."""
    valkey, broker = back.client, Meter(back.pids[1:])
    memory, files = valkey.info("memory")["used_memory"], _size(back.folder / "kafka")
    command = [sys.executable, "-m", "bench.flush", str(ids)]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
    seen = json.loads(done.stdout)
    return Flushed(
        ids=ids,
        seconds=seen["seconds"],
        worker_cpu=seen["cpu"],
        broker_cpu=broker.read().cpu,
        broker_bytes=_size(back.folder / "kafka") - files,
        redis_bytes=seen["used_memory"] - memory,
    )


def _size(folder: Path) -> int:
    """Of the data of all id-counts. Files are made larger than they are: what counts is what is on disk."""
    logs = (path for topic in folder.rglob("id-counts-*") for path in topic.glob("*.log"))
    return sum(512 * path.stat().st_blocks for path in logs)
