"""Workers: processes that all do the same. One that dies is replaced, and SIGTERM ends all of them."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from types import FrameType

import structlog

logger = structlog.get_logger(__name__)

STOP_SECONDS = 20.0
"""After which a worker that was told to end is killed."""

PAUSE_SECONDS = 1.0
"""Before a worker is started in the place of one that did not even live for so long."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Workers:
    """Forked from a process that has loaded all they need and has no threads, so they begin at once."""

    def __init__(self, count: int, work: Callable[[], None]) -> None:
        self._work = work
        self._count = count
        self._running: dict[int, ForkProcess] = {}
        """By their number, from 1"""
        self._started: dict[int, float] = {}
        self._is_stopping = False

    def run(self) -> None:
        """Until SIGTERM or SIGINT, and all of them have ended."""
        reader, self._signalled = os.pipe()
        self._life = os.pipe()
        for stop in SIGNALS:
            signal.signal(stop, self._stop)
        while not self._is_stopping:
            for number in range(1, self._count + 1):
                self._keep(number)
            connection.wait([reader, *(worker.sentinel for worker in self._running.values())], PAUSE_SECONDS)
        self._end()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True
        os.write(self._signalled, b"!")

    def _keep(self, number: int) -> None:
        """See that the worker runs."""
        if worker := self._running.get(number):
            if worker.is_alive():
                return
            del self._running[number]
            logger.error("a worker has died", number=number, pid=worker.pid, status=worker.exitcode)
        if time.monotonic() - self._started.get(number, -PAUSE_SECONDS) < PAUSE_SECONDS:
            return
        worker = self._running[number] = get_context("fork").Process(target=self._begin, daemon=True)
        self._started[number] = time.monotonic()
        # One that comes before the worker has handlers of its own must not be lost to those of its parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        worker.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        logger.info("worker started", number=number, pid=worker.pid)

    def _begin(self) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(self._life[1])
        threading.Thread(target=self._follow, daemon=True).start()
        self._work()

    def _follow(self) -> None:
        """End this worker when the process that would replace it is gone: a next one wants the port."""
        os.read(self._life[0], 1)  # which nobody writes to
        os.kill(os.getpid(), signal.SIGTERM)

    def _end(self) -> None:
        logger.info("stopping", workers=len(self._running))
        for worker in self._running.values():
            with suppress(ProcessLookupError):
                worker.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for worker in self._running.values():
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                logger.error("a worker does not end and is killed", pid=worker.pid)
                worker.kill()
                worker.join()
