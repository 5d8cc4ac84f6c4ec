"""The hint of event mode: a minute has been read to its end by all, have it flushed."""

from collections.abc import Iterable
from contextlib import suppress

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from counter.minute import Minute
from counter.store.offsets import NEVER, Progress, closed_minute
from counter.task_names import FLUSH

EXPIRES_SECONDS = 60
"""A hint that waited this long has been overtaken by a tick."""


class Hint:
    """Sends a hint once for each minute. It may be lost: beat's next tick does its work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._own = self._hinted = NEVER

    def look(self, times: Iterable[int]) -> None:
        """Send one where that is due. `times` are the append times that our own partitions were read to."""
        own = min(map(Minute.at_milliseconds, times), default=NEVER)
        if own <= self._own:
            return
        self._own = own
        with suppress(OperationalError, RedisError):
            closed = min(map(closed_minute, self._progress.positions().values()), default=NEVER)
            if closed > self._hinted:
                current_app.send_task(FLUSH, expires=EXPIRES_SECONDS, retry=False)
                self._hinted = closed
