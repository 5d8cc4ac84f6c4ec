"""The numbered steps of the flush, each in a `with step("6b.commit")`.

One place for all that watches the protocol without being part of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from counter.monitoring.exposition import of_processes
from counter.telemetry import tracing
from tasks import metrics
from tasks.output.transaction import TRANSACTION_TIMEOUT_MS

MAX_SECONDS = TRANSACTION_TIMEOUT_MS / 1000
"""No step outlasts it: its transaction would be of no use any more."""

watchers: list[Callable[[str], None]] = []
"""Told of every point that is reached, `6b.commit.before` and `6b.commit.after`; there are none in
production. What a watcher raises goes through the flush as if the step had raised it."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """One step, named as in the docstring of tasks/publishing/flush.py."""
    _reach(f"{name}.before")
    begin, running = time.perf_counter(), metrics.STEP_BEGAN.labels(name)
    running.set_to_current_time()
    try:
        with tracing.current.make(name, {}):
            yield
    finally:
        running.set(0)
    metrics.STEP_SECONDS.labels(name).observe(time.perf_counter() - begin)
    _reach(f"{name}.after")


def _reach(point: str) -> None:
    for watch in watchers:
        watch(point)


def overdue() -> list[str]:
    """The steps that a process of this machine, or container, has been at for longer than it ever may."""
    now, name = time.time(), f"{metrics.STEP_BEGAN._name}"
    samples = (each for family in of_processes().collect() if family.name == name for each in family.samples)
    return sorted({each.labels["step"] for each in samples if each.value and now - each.value > MAX_SECONDS})
