"""Minutes of the clock: how late each is published, and what a web worker's memory does under full load."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil

from bench.contenders import EVENT_MODE, Contender
from bench.load import attack, calls_per_second
from bench.machine import ROOT
from bench.reporting.progress import say
from bench.servers import Backing, Web, fresh, process, web

ORDINARY_RATE = 1000
SAMPLE_SECONDS = 5.0
CELERY = f"{sys.executable} -m celery --quiet -A project"
CONSOLIDATE = f"{sys.executable} -m tally consolidate"


@dataclass(frozen=True)
class Endurance:
    """What a run of minutes showed."""

    lags: list[float]
    """Seconds, of the minutes at an ordinary rate"""
    event_lags: list[float]
    """The same in event mode"""
    loaded_lags: list[float]
    """Of the minutes under full load"""
    megabytes: list[tuple[float, float]]
    """(seconds under full load, memory of all web workers)"""


def measure(lag_seconds: float, load_seconds: float) -> Endurance:
    """The whole of Tally: with ordinary minutes, under full load, and with ordinary minutes in event mode."""
    with fresh(kafka=True) as back, _tally(back, Contender.HOT) as hot:
        lags = _lags(hot, lag_seconds)
        say("full load")
        megabytes = _memory(hot.pid, hot.url, load_seconds)
        loaded_lags = _published()[len(lags) + 1 :]
    with fresh(kafka=True) as back, _tally(back, Contender.EVENTS) as events:
        return Endurance(lags, _lags(events, lag_seconds), loaded_lags, megabytes)


@contextmanager
def _tally(backing: Backing, contender: Contender) -> Iterator[Web]:
    parts = [f"{CELERY} worker --concurrency 2", f"{CELERY} beat --pidfile="]
    if contender is Contender.EVENTS:
        parts = [f"env {EVENT_MODE} {part}" for part in (*parts, CONSOLIDATE)]
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(process(part.split(), lambda: True))
        yield stack.enter_context(web(contender, backing.folder))


def _lags(of: Web, seconds: float) -> list[float]:
    say(f"minutes at {ORDINARY_RATE} calls/s")
    attack(of.url, ORDINARY_RATE, seconds)
    return _published()[1:]  # the first one waited until the worker was there


def _published() -> list[float]:
    """The lag of every minute so far."""
    command = [sys.executable, "-m", "bench.lags"]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return [float(lag) for lag in json.loads(output)]


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
