"""Minutes of the clock: how late each is published, and what a web worker's memory does under full load."""

import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from bench.load import attack, calls_per_second
from bench.machine import ROOT
from bench.progress import say
from bench.servers import Backing, Contender, process, web

ORDINARY_RATE = 1000
SAMPLE_SECONDS = 5.0
CELERY = f"{sys.executable} -m celery --quiet -A project"


@dataclass(frozen=True)
class Endurance:
    """What a run of minutes showed."""

    lags: list[float]
    """Seconds, of the minutes at an ordinary rate"""
    megabytes: list[tuple[float, float]]
    """(seconds under full load, memory of all web workers)"""


def measure(backing: Backing, lag_seconds: float, load_seconds: float) -> Endurance:
    """The whole of Tally: first with ordinary minutes, then under full load."""
    with ExitStack() as stack:
        hot = stack.enter_context(web(Contender.HOT, backing.folder))
        for part in ("worker --concurrency 2", "beat --pidfile="):
            stack.enter_context(process([*CELERY.split(), *part.split()], lambda: True))
        say(f"minutes at {ORDINARY_RATE} calls/s")
        attack(hot.url, ORDINARY_RATE, lag_seconds)
        lags = _lags()
        say("full load")
        return Endurance(lags, _memory(hot.pid, hot.url, load_seconds))


def _lags() -> list[float]:
    command = [sys.executable, "-m", "bench.lags"]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    # The first one waited until the worker was there.
    return [float(lag) for lag in json.loads(output)][1:]


def _memory(pid: int, url: str, seconds: float) -> list[tuple[float, float]]:
    load = threading.Thread(target=calls_per_second, args=[url, seconds])
    begin = time.monotonic()
    load.start()
    samples = []
    while load.is_alive():
        workers = psutil.Process(pid).children()
        megabytes = sum(worker.memory_info().rss for worker in workers) / 2**20
        samples.append((time.monotonic() - begin, megabytes))
        load.join(SAMPLE_SECONDS)
    return samples
