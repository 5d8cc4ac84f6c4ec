"""What processes take of the machine, by the kernel's account."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Used:
    """Between two moments."""

    seconds: float
    """On the clock"""
    cpu: float
    """Seconds of processor time, of the program and of the system for it, over all processes"""
    busiest: float
    """Seconds of processor time of the one thread that took most: no thread can take more than the clock"""


class Meter:
    """Measures processes and all their children, from the moment it is made."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]
        self._begin = time.perf_counter()
        self._cpu, self._threads = self._read()

    def read(self) -> Used:
        """Since it was made."""
        seconds = time.perf_counter() - self._begin
        cpu, threads = self._read()
        taken = (taken - self._threads.get(thread, 0) for thread, taken in threads.items())
        return Used(seconds, cpu - self._cpu, max(taken, default=0.0))

    @property
    def processes(self) -> list[psutil.Process]:
        """All that there are now."""
        return [process for root in self._roots for process in (root, *root.children(recursive=True))]

    def _read(self) -> tuple[float, dict[int, float]]:
        """Of all together, and of each thread."""
        processes = self.processes
        # Of children that have ended, too, like the one that rewrites an append-only file.
        cpu = sum(sum(process.cpu_times()[:4]) for process in processes)
        threads = {t.id: t.user_time + t.system_time for process in processes for t in process.threads()}
        return cpu, threads
