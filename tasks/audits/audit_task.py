"""The audit of one minute that an operator asks for in the console."""

import time
from contextlib import suppress
from itertools import islice

import structlog
from celery import shared_task
from django.conf import settings
from redis.exceptions import RedisError

from counter.journal.audit_log import SHOWN, AuditLog, AuditRun, Found
from counter.minute import Minute
from counter.redis.broker import broker
from counter.task_names import AUDIT
from tasks.audits.audit import Audit
from tasks.errors import PublishingError

logger = structlog.get_logger(__name__)

NOTE_SECONDS = 1.0


@shared_task(name=AUDIT)
def audit_minute(text: str) -> None:
    """Count the minute again and note what was found. Asked twice, or while another runs, it does nothing."""
    log = AuditLog(broker())
    if not log.lock(text):
        return
    try:
        end = _run(Minute.parse(text), Progress(log, text))
    except PublishingError as error:
        end = AuditRun(text, "unknown", why=str(error))
    except Exception:
        log.note(AuditRun(text, "unknown", why="this is a fault of Tally's; the worker's log says more"))
        raise
    log.note(end)
    logger.info("a minute was counted again", minute=text, state=end.state, why=end.why)


class Progress:
    """Notes once a second how far it is."""

    def __init__(self, log: AuditLog, minute: str) -> None:
        self._log, self._minute = log, minute
        self._noted = 0.0
        self.events = self.read = 0

    def advance(self, records: int) -> None:
        """So many more have been read."""
        self.read += records
        if time.monotonic() - self._noted > NOTE_SECONDS:
            self._noted = time.monotonic()
            with suppress(RedisError):
                self._log.note(AuditRun(self._minute, "counting", self.read, self.events))


def _run(minute: Minute, progress: Progress) -> AuditRun:
    audit = Audit(minute, minute, id_counts=settings.PUBLISH_ID_COUNTS)
    progress.events = audit.records()
    progress.advance(0)
    found = [
        Found(each.counter, each.what, each.counted, each.published)
        for each in islice(audit.run(progress.advance), SHOWN)
    ]
    state = "different" if found else "same"
    return AuditRun(str(minute), state, progress.read, progress.events, found)
