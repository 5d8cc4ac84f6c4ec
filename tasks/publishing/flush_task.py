"""The task of the flush: its retries, and what the minutes wait for after a failure."""

from contextlib import suppress

import structlog
from celery import Task, current_app, shared_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from counter.redis.clients import connect
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH, HISTORY
from tasks import metrics
from tasks.errors import Halt, TryLater
from tasks.publishing.flush import Flush
from tasks.publishing.note import Note
from tasks.publishing.steps import step

logger = structlog.get_logger(__name__)

HINT_SECONDS = 60
"""A hint to the history that waited this long has been overtaken by another flush's."""

MAX_RETRIES = 5
FIRST_RETRY_SECONDS = 1
"""Doubled each time: together the retries reach to the next tick, which begins anew."""

HALTED_SECONDS = 10
"""So do these, of a flush that halted."""


@shared_task(name=FLUSH, bind=True, max_retries=MAX_RETRIES)
def flush_closed_minutes(task: Task[[], None]) -> None:
    """Drain every closed minute. Takes no arguments: a lost, doubled or late message changes nothing."""
    client = connect()
    note = Note(client)
    try:
        report = Flush(client).run()
    except Halt as halt:
        metrics.FLUSHES.labels("halted").inc()
        logger.error("publishing has stopped", error=str(halt))
        PublishingState(client).halt(str(halt))
        note.take("halted", error=str(halt))
        if task.request.retries < MAX_RETRIES:  # a look before the next tick, for the cause may be mended
            raise task.retry(countdown=HALTED_SECONDS) from halt
        return
    except (TryLater, RedisError) as error:
        metrics.FLUSHES.labels("failed").inc()
        metrics.RETRIES.labels("redis" if isinstance(error, RedisError) else "kafka").inc()
        logger.warning("the flush did not get through", error=str(error))
        note.take("failed", error=str(error))
        raise task.retry(exc=error, countdown=FIRST_RETRY_SECONDS * 2**task.request.retries) from error
    if report.published:
        metrics.FLUSHES.labels("published").inc()
        note.take("published", report)
        with step("8.history"), suppress(OperationalError, RedisError):
            current_app.send_task(HISTORY, args=[report.attempts], expires=HINT_SECONDS, retry=False)
    if report.again_in is not None and not task.request.retries:
        raise task.retry(countdown=report.again_in.total_seconds())
