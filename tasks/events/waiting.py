"""Waiting: for what will come by itself, with one line in the log for each reason."""

import threading

import structlog

logger = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.5
"""Between two looks for a Redis or a Kafka that is away."""


class Stopped(Exception):
    """The process was told to stop while it waited."""


class Waiting:
    """Waits until `stop` is set, a pause at a time. For one thread."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.reason = ""
        """What it waits for, or has waited for last; empty while nothing is in the way."""

    def pause(self, reason: str) -> None:
        """One pause. Raises Stopped. The reason is logged when it is another one than before."""
        if reason != self.reason:
            self.reason = reason
            logger.warning("waiting", reason=reason)
        if self._stop.wait(PAUSE_SECONDS):
            raise Stopped

    def is_over(self) -> None:
        """There is nothing to wait for any more: the same reason is logged again when it comes back."""
        self.reason = ""
