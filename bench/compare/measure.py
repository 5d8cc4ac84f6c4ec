"""What an engine does with the stream: a backlog, a kill in the middle, late events, and silence."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import psutil

from bench.compare.engines import Engine
from bench.compare.stream import WATERMARK_SECONDS, Counts, Stream, next_minute
from bench.compare.told import Told
from bench.machine import ROOT
from bench.usage import Meter
from counter.minute import SECONDS, Minute

LIMIT_SECONDS = 120
LOOK_SECONDS = 0.5
SILENT_SECONDS = 60
"""For which nothing comes, at the end"""
A_MINUTE = 1000
"""Events, in a minute of the clock"""

LATE = 50
"""Events that come after the watermark of their minute"""


@dataclass(frozen=True)
class Backlog:
    """One minute of events that wait when the engine is started."""

    events: int
    seconds: float
    """From its start until its number is what it should be, or LIMIT_SECONDS"""
    counted: int
    """Events, by then"""
    cpu: float
    """Seconds of processor time, of its state's server, too"""
    megabytes: float
    """The most that it and its state's server had"""
    unique: int
    expected: int


@dataclass(frozen=True)
class Killed:
    """The same with SIGKILL when half of the time is over, and a new start."""

    seconds: float
    unique: int
    total: int
    expected: tuple[int, int]
    is_final: bool
    """Whether it came to an end within LIMIT_SECONDS"""


@dataclass(frozen=True)
class Live:
    """The minutes are those of the clock; some events are late; then nothing comes any more."""

    last_seconds: float | None
    """After its end, until the last minute's number was there; None where it never was"""
    late: int
    """Of LATE, those in the minute that their caller named"""
    lost: int
    """Events of which no minute that it has said knows"""


class Running:
    """An engine's processes."""

    def __init__(self, engine: Engine) -> None:
        with Path(os.environ["TALLY_HOME"], "engines.log").open("ab") as log:
            self._processes = [
                subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
                for command in engine.commands
            ]
        self.pids = [process.pid for process in self._processes] + engine.state

    def megabytes(self) -> float:
        """What all of them have now."""
        found = 0
        for pid in self.pids:
            with suppress(psutil.NoSuchProcess):
                root = psutil.Process(pid)
                found += sum(each.memory_info().rss for each in (root, *root.children(recursive=True)))
        return found / 2**20

    def kill(self) -> None:
        """As `kill -9` does, with all children."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, SIGKILL)
            process.wait()


@contextmanager
def running(engine: Engine) -> Iterator[Running]:
    """Nothing of it is left."""
    started = Running(engine)
    try:
        yield started
    finally:
        started.kill()


@contextmanager
def told_by(engine: Engine) -> Iterator[Told]:
    """What it says."""
    told = engine.told()
    try:
        yield told
    finally:
        told.close()


def backlog(engine: Engine, minute: Minute, expected: Counts) -> Backlog:
    """Its numbers must be empty before."""
    unique, total = expected[str(minute)]
    with told_by(engine) as told, running(engine) as started:
        meter, megabytes, begin = Meter(started.pids), 0.0, time.monotonic()
        found = (0, 0)
        while found[1] != total and time.monotonic() - begin < LIMIT_SECONDS:
            time.sleep(LOOK_SECONDS)
            megabytes = max(megabytes, started.megabytes())
            found = told.read().get(str(minute), (0, 0))
        seconds = time.monotonic() - begin
        return Backlog(total, seconds, found[1], meter.read().cpu, megabytes, found[0], unique)


def killed(engine: Engine, minute: Minute, expected: Counts, seconds: float) -> Killed:
    """`seconds` is how long it takes otherwise. What it says is final when a minute brings nothing new."""
    begin = time.monotonic()
    with told_by(engine) as told:
        with running(engine):
            time.sleep(seconds / 2)
        with running(engine):
            found = (0, 0)
            restarted = since = time.monotonic()
            while not (is_final := found[1] > 0 and time.monotonic() - since > SECONDS):
                if time.monotonic() - restarted > LIMIT_SECONDS + SECONDS:
                    break
                time.sleep(LOOK_SECONDS)
                if (now := told.read().get(str(minute), (0, 0))) != found:
                    found, since = now, time.monotonic()
        return Killed(since - begin, *found, expected[str(minute)], is_final)


def live(all: list[Engine], stream: Stream) -> dict[str, Live]:
    """All of them at once: there is little to do."""
    readers = {engine.name: engine.told() for engine in all}
    started = [Running(engine) for engine in all]
    try:
        first = next_minute()
        stream.append(range(A_MINUTE))
        last = next_minute()
        stream.append(range(A_MINUTE))
        time.sleep(WATERMARK_SECONDS)
        stream.append(range(10**6, 10**6 + LATE), late_seconds=SECONDS)
        seen = _watch(readers, str(last), last.start.timestamp() + SECONDS)
        expected, minutes = stream.recount(), (first, last)
        return {
            engine.name: _judge(
                expected[engine.topic], readers[engine.name].read(), minutes, seen.get(engine.name)
            )
            for engine in all
        }
    finally:
        for one in started:
            one.kill()
        for told in readers.values():
            told.close()


def _watch(readers: dict[str, Told], minute: str, end: float) -> dict[str, float]:
    """Seconds after its end until a number of the minute was there, for those that said one."""
    seen: dict[str, float] = {}
    while time.time() < end + SILENT_SECONDS:
        for name, told in readers.items():
            if name not in seen and minute in told.read():
                seen[name] = max(0.0, time.time() - end)
        time.sleep(LOOK_SECONDS)
    return seen


def _judge(expected: Counts, said: Counts, minutes: tuple[Minute, Minute], seconds: float | None) -> Live:
    first, last = (said.get(str(minute), (0, 0))[1] for minute in minutes)
    due = sum(expected[str(minute)][1] for minute in minutes)
    return Live(seconds, max(0, first - A_MINUTE), due - first - last)
