"""Fault points: where a worker of the tests can be killed, stopped, made to fail or delayed.

Every step of the flush has two, `6b.commit.before` and `6b.commit.after`, and every call to Redis or Kafka in
it has two more, `6b.commit/commit_transaction.before` and `.after`. A point is armed from outside, by a file:
it fires once, whichever process reaches it, and so the next attempt goes on.
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL, SIGSTOP
from typing import Any

import confluent_kafka
import redis
import redis.client
import redis.cluster
from celery.signals import task_postrun

from tasks.kafka import reader
from tasks.output import transaction
from tasks.publishing import steps

DELAY_SECONDS = 3.0
FIRST, LAST = "1.lock.before", "8.history.before"
"""From the one to the other every call to Redis or Kafka is one of the flush."""


class Injected(Exception):
    """Raised at a point that is armed with `raise`."""


class Faults:
    """The folder through which a test and the processes of its workers talk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._armed, self._fired, self._reached = folder / "armed", folder / "fired", folder / "reached"

    def arm(self, point: str, action: str, occurrence: int = 1) -> None:
        """Let `action` (kill, stop, raise, delay) happen where a process reaches the point this often."""
        self._fired.unlink(missing_ok=True)
        written = self._armed.with_suffix(".new")
        written.write_text(f"{point} {action} {occurrence}")
        written.rename(self._armed)

    def disarm(self) -> None:
        self._armed.unlink(missing_ok=True)

    def armed(self) -> list[str] | None:
        try:
            return self._armed.read_text().split()
        except FileNotFoundError:
            return None

    def fire(self) -> bool:
        """Whether it is ours to fire: only one process can."""
        try:
            self._armed.rename(self._fired)
        except FileNotFoundError:
            return False
        with self._fired.open("a") as file:
            file.write(f" {os.getpid()}")
        return True

    def fired(self) -> int | None:
        """The process in which it fired."""
        try:
            return int(self._fired.read_text().split()[3])
        except (FileNotFoundError, IndexError):
            return None

    def record(self, point: str) -> None:
        with self._reached.open("a") as file:
            file.write(f"{point}\n")

    def reached(self) -> list[str]:
        """Every point that any process has reached, in order."""
        return self._reached.read_text().split("\n")[:-1] if self._reached.exists() else []


class Watcher:
    """Knows in which step this process is, and fires."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._steps: list[str] = []
        self._flushing = False
        self._seen: Counter[str] = Counter()

    def reach(self, point: str) -> None:
        """A watcher of tasks.publishing.steps."""
        name, _, moment = point.rpartition(".")
        if point == FIRST:
            self._seen.clear()
            self._steps.clear()
            self._flushing = True
        elif point == LAST:
            self._flushing = False
        if moment == "before":
            self._steps.append(name)
        else:
            # A step that was left by an exception has no `after`.
            while self._steps.pop() != name:
                pass
        self._fire(point)

    def end(self, **kwargs: Any) -> None:
        """A handler of task_postrun: what the worker calls now is its own business."""
        self._flushing = False

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call Redis or Kafka, between two points of the present step."""
        if not self._flushing:
            return function(*args, **kwargs)
        point = f"{self._steps[-1] if self._steps else 'no step'}/{name}"
        self._fire(f"{point}.before")
        result = function(*args, **kwargs)
        self._fire(f"{point}.after")
        return result

    def _fire(self, point: str) -> None:
        self._seen[point] += 1
        self._faults.record(point)
        match self._faults.armed():
            case [armed, action, occurrence] if armed == point and int(occurrence) == self._seen[point]:
                if self._faults.fire():
                    _act(action, point)


def _act(action: str, point: str) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), SIGKILL)
        case "stop":
            os.kill(os.getpid(), SIGSTOP)
        case "raise":
            raise Injected(point)
        case "delay":
            time.sleep(DELAY_SECONDS)
        case _:
            raise ValueError(action)


def install(faults: Faults) -> None:
    """Watch the flush in this process, and in those that it forks."""
    watcher = Watcher(faults)
    steps.watchers.append(watcher.reach)
    task_postrun.connect(watcher.end, weak=False)
    _watch_redis(watcher)
    for module, client, names in (
        (transaction, confluent_kafka.Producer, PRODUCER),
        (reader, confluent_kafka.Consumer, CONSUMER),
    ):
        setattr(module, client.__name__, _watched(client, watcher, names))


PRODUCER = ("list_topics", "init_transactions", "begin_transaction", "produce", "commit_transaction")
CONSUMER = ("get_watermark_offsets", "assign", "consume")


def _watch_redis(watcher: Watcher) -> None:
    clients: tuple[tuple[Any, Any], ...] = (
        (redis.Redis, redis.client.Pipeline),
        (redis.cluster.RedisCluster, redis.cluster.ClusterPipeline),
    )
    for client, pipeline in clients:
        client.execute_command = _command(watcher, client.execute_command)
        pipeline.execute = _pipeline(watcher, pipeline.execute)


def _command(watcher: Watcher, execute_command: Callable[..., Any]) -> Callable[..., Any]:
    def command(self: object, *args: Any, **options: Any) -> Any:
        return watcher.call(str(args[0]), execute_command, self, *args, **options)

    return command


def _pipeline(watcher: Watcher, execute: Callable[..., Any]) -> Callable[..., Any]:
    def pipeline(self: object, *args: Any, **options: Any) -> Any:
        return watcher.call("pipeline", execute, self, *args, **options)

    return pipeline


def _watched(client: type, watcher: Watcher, names: tuple[str, ...]) -> type:
    """A subclass of a client of Kafka, whose calls have points."""

    def watched(name: str) -> Callable[..., Any]:
        def method(self: object, *args: Any, **kwargs: Any) -> Any:
            return watcher.call(name, getattr(client, name), self, *args, **kwargs)

        return method

    return type(client.__name__, (client,), {name: watched(name) for name in names})
