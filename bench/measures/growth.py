"""How cost grows: calls with connections, the flush and Redis's memory with ids."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import cast

import psutil
import redis

from bench.load import calls_per_second
from bench.machine import ROOT
from bench.servers import Backing, process
from counter.store.keys import WHOLE

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
IDS = (1_000, 10_000, 100_000, 1_000_000)
SLOW_MICROSECONDS = 500
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Flushed:
    """One minute of so many ids, published and settled by a process of its own."""

    ids: int
    seconds: float
    worker_megabytes: float
    """Its peak, that of filling the minute included"""
    redis_bytes: float
    """For each id: key, index and all"""
    longest_milliseconds: float
    """Of Redis's commands and scripts, from the first accept to the last settle"""
    is_rude: bool = False
    """Without manners"""
    are_texts: bool = False
    """Of a named counter"""


def by_connections(url: str, seconds: float) -> dict[int, float]:
    """Accept calls a second, for each number of connections."""
    return {count: calls_per_second(url, seconds, count) for count in CONNECTIONS}


@dataclass(frozen=True)
class Drained:
    """A backlog of so many events, counted by one consolidator."""

    events: int
    seconds: float
    megabytes: float
    """The most that the consolidator had"""
    samples: list[tuple[float, int, float, float]]
    """(seconds, events counted by then, megabytes of the consolidator, and of Redis)"""


def drain(back: Backing, events: int) -> Drained:
    """Append the backlog, then count it."""
    subprocess.run([sys.executable, "-m", "bench.events", str(events)], cwd=ROOT, check=True)

    def counted() -> int:
        progress = cast("dict[bytes, bytes]", back.client.hgetall(WHOLE.requests))
        return sum(int(value) for field, value in progress.items() if field.endswith(b":next"))

    with process([sys.executable, "manage.py", "consolidate"], lambda: counted() > 0) as consolidator:
        seen, begin = psutil.Process(consolidator.pid), time.perf_counter()
        samples: list[tuple[float, int, float, float]] = []
        done = first = counted()
        while done < events:
            time.sleep(SAMPLE_SECONDS)
            done, seconds = counted(), time.perf_counter() - begin
            own, redis_own = seen.memory_info().rss, back.client.info("memory")["used_memory_rss"]
            samples.append((seconds, done - first, own / 2**20, redis_own / 2**20))
    return Drained(events - first, samples[-1][0], max(sample[2] for sample in samples), samples)


def by_ids(client: redis.Redis, steps: tuple[int, ...]) -> list[Flushed]:
    """A minute of each size, the largest one without manners and as texts as well."""
    most = steps[-1]
    return [*(flush(client, ids) for ids in steps), flush(client, most, "rude"), flush(client, most, "texts")]


def flush(client: redis.Redis, ids: int, *how: str) -> Flushed:
    """Fill a minute with so many ids, and publish it: see bench/flush.py."""
    _first_of_all(client)
    client.config_set("slowlog-log-slower-than", SLOW_MICROSECONDS)
    client.config_set("slowlog-max-len", 100_000)
    client.slowlog_reset()
    before = client.info("memory")["used_memory"]
    command = [sys.executable, "-m", "bench.flush", str(ids), *how]
    seen = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    slow = [entry["duration"] for entry in client.slowlog_get(100_000)]
    return Flushed(
        ids,
        seen["seconds"],
        seen["megabytes"],
        (seen["used_memory"] - before) / ids,
        max(slow, default=SLOW_MICROSECONDS) / 1000,
        "rude" in how,
        "texts" in how,
    )


def _first_of_all(client: redis.Redis) -> None:
    """Let Redis run whenever it wants, where that may be said: a command is to be timed, not its wait.

    It shares two cores with all that it is measured with.
    """
    pid = str(client.info("server")["process_id"])
    subprocess.run(["chrt", "--all-tasks", "--rr", "--pid", "1", pid], check=False)
