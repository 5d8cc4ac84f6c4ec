"""The note that a run of the flush leaves for people. Step 8 of the flush."""

import time
from contextlib import suppress

import redis
from redis.exceptions import RedisError

from counter.journal.flush_log import MAX_ERROR, FlushLog, FlushRun
from tasks.publishing.report import Report
from tasks.publishing.steps import step


class Note:
    """Of one run, which begins now."""

    def __init__(self, client: redis.Redis) -> None:
        self._log = FlushLog(client)
        self._began_at, self._began = time.time(), time.monotonic()

    def take(self, outcome: str, report: Report | None = None, error: str = "") -> None:
        """Say how it ended; without Redis nobody is told."""
        found = report or Report()
        run = FlushRun(
            self._began_at,
            time.monotonic() - self._began,
            outcome,
            len(found.published),
            str(found.published[-1]) if found.published else "",
            max(found.attempts.values(), default=0),
            error[:MAX_ERROR],
        )
        with step("8.note"), suppress(RedisError):
            self._log.note(run)
