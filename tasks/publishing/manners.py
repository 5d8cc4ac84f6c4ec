"""Manners: the flush lets accept calls go first, but never so long that a minute is out late.

Flush, Kafka, Redis and web may want more of the processor than there is. A nice thread costs next to
nothing while there is idle time, and falls behind where there is none; and no process without privileges
can take its niceness back. But a thread that ends takes its own with it: so the long steps run in a nice
thread while there is time, and are finished by the thread that waits for it, which never was nice.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

NICENESS = 10
"""The thread gets a tenth of what one of a web process gets, where both want all of it."""

POLITE_SECONDS = 20.0
"""Of a run. A million ids take less by themselves; where the machine is full, most of a minute is left to
finish them without manners."""


class Manners:
    """Of one run of the flush, which uses them in one thread. Niceness belongs to a thread on Linux alone."""

    def __init__(self, seconds: float = POLITE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds

    def exhaust(self, chunks: Iterator[object]) -> None:
        """Go through all chunks of work, one after the other. What they raise is raised here."""
        if sys.platform == "linux" and self._has_time():
            with ThreadPoolExecutor(1) as thread:
                work = thread.submit(copy_context().run, self._go_nicely, chunks)
                try:
                    work.result()
                except BaseException:  # also one that interrupts the waiting
                    self._until = -float("inf")
                    raise
        for _ in chunks:
            pass

    def _go_nicely(self, chunks: Iterator[object]) -> None:
        os.nice(NICENESS)
        for _ in chunks:
            if not self._has_time():
                break

    def _has_time(self) -> bool:
        return self._clock() < self._until
