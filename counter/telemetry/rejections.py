"""Refused calls: every one is counted, and the log has a line a second at most for each reason."""

import threading
import time

import structlog

from counter.telemetry import metrics

logger = structlog.get_logger(__name__)

LINE_SECONDS = 1.0
"""Callers may be refused many thousand times a second; the log must not fill the disk then."""


class Refusals:
    """Those of one reason, in this process. Thread-safe."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._counter = metrics.REFUSED.labels(reason)
        self._unlogged = 0
        self._next_line = 0.0
        self._lock = threading.Lock()

    def add(self, calls: int = 1, why: str = "") -> None:
        """Count so many. The line says how many there were since the one before, and why the last was."""
        self._counter.inc(calls)
        with self._lock:
            self._unlogged += calls
            if (now := time.monotonic()) < self._next_line:
                return
            self._next_line = now + LINE_SECONDS
            unlogged, self._unlogged = self._unlogged, 0
        logger.warning("calls refused", reason=self._reason, calls=unlogged, why=why)


BAD_CALL = Refusals("bad_call")
UNAVAILABLE = Refusals("unavailable")
UNAUTHORIZED = Refusals("unauthorized")
