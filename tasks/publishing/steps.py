"""The numbered steps of the flush, each in a `with step("6b.commit")`.

One place for all that watches the protocol without being part of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from counter.telemetry import tracing
from tasks import metrics

watchers: list[Callable[[str], None]] = []
"""Told of every point that is reached, `6b.commit.before` and `6b.commit.after`; there are none in
production. What a watcher raises goes through the flush as if the step had raised it."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """One step, named as in the docstring of tasks/publishing/flush.py."""
    _reach(f"{name}.before")
    begin = time.perf_counter()
    with tracing.current.make(name, {}):
        yield
    metrics.STEP_SECONDS.labels(name).observe(time.perf_counter() - begin)
    _reach(f"{name}.after")


def _reach(point: str) -> None:
    for watch in watchers:
        watch(point)
