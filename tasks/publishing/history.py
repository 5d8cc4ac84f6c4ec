"""The history of published minutes, for people: rows of the database, made from the topic's records.

A task of its own follows the topic, from the newest row on. So a database that is away, or hangs, holds up
neither publishing nor settling, and what it has missed is filled in when it is back.
"""

from collections.abc import Mapping
from itertools import islice

import structlog
from celery import shared_task
from django.db import Error

from counter.models import PublishedMinute
from counter.task_names import HISTORY
from counter.time_limit import within
from tasks.errors import PublishingError
from tasks.kafka.topics import PARTITION
from tasks.output.published_log import Published, PublishedLog

logger = structlog.get_logger(__name__)

SECONDS = 0.8
"""For each look into the database, and each write: it is a process of the flush's that waits."""

CHUNK = 500
"""Rows in one write: far below a second's work."""

MAX_MINUTES = 10_000
"""In one run, a week's: the rest is for the next one, a minute later."""

_OF_TOPIC = [
    field.name
    for field in PublishedMinute._meta.fields
    if not (field.primary_key or field.generated or field.name == "attempts")
]


def follow(attempts: Mapping[str, int]) -> int:
    """Write what the topic has behind the newest row; how many minutes that were.

    `attempts` has the transactions that were begun for some of them, by the minute's text. Raises
    django.db.Error, KafkaAway, NoTopic or BadRecord; running it again is right.
    """
    with within(SECONDS):
        newest = PublishedMinute.objects.first()
    count = 0
    with PublishedLog() as log:
        records = islice(log.beyond(newest.offset if newest else -1), MAX_MINUTES)
        while chunk := list(islice(records, CHUNK)):
            with within(SECONDS):
                restore(chunk, attempts)
            count += len(chunk)
    return count


def restore(published: list[Published], attempts: Mapping[str, int] | None = None) -> None:
    """Write rows from the topic. It can't tell the attempts: where they are known, they stay.

    Raises django.db.Error.
    """
    rows = [_row(each, (attempts or {}).get(str(each.record.minute), 0)) for each in published]
    PublishedMinute.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["key"], update_fields=_OF_TOPIC
    )


def _row(published: Published, attempts: int) -> PublishedMinute:
    record = published.record
    return PublishedMinute(
        key=record.key.decode(),
        counter=record.counter,
        start=record.minute.start,
        unique=record.stats.unique,
        total=record.stats.total,
        published_at=record.published_at,
        lag_seconds=record.lag_seconds,
        partition=PARTITION,
        offset=published.offset,
        attempts=attempts,
    )


@shared_task(name=HISTORY)
def follow_topic(attempts: dict[str, int]) -> None:
    """After each flush that has published something; lost, doubled or late, the next one makes up for it."""
    try:
        follow(attempts)
    except (Error, PublishingError) as error:
        logger.warning("the history waits", error=str(error))
