"""The history of published minutes, for people: rows of the database, made from the topic's records."""

import structlog
from django.db import DatabaseError

from counter.models import PublishedMinute
from tasks import metrics
from tasks.publishing.published_log import PARTITION, Published

logger = structlog.get_logger(__name__)

_FIELDS = [field.name for field in PublishedMinute._meta.fields if not field.primary_key]


def record(published: list[Published], attempts: int) -> None:
    """Note what is in the topic. A database that is away loses the note alone, so it is no error."""
    rows = [_row(each, attempts) for each in published]
    metrics.PUBLISHED_MINUTES.inc(len(rows))
    metrics.PUBLISHED_IDS.inc(sum(row.unique for row in rows))
    metrics.PUBLISHED_CALLS.inc(sum(row.total for row in rows))
    try:
        _write(rows, _FIELDS)
    except DatabaseError:
        logger.warning("the history was not written", minutes=len(rows), exc_info=True)
    for row in rows:
        metrics.LAG_SECONDS.observe(row.lag_seconds)
        logger.info(
            "published",
            minute=row.minute,
            unique=row.unique,
            total=row.total,
            lag=round(row.lag_seconds, 3),
            attempt=attempts,
            offset=row.offset,
        )


def restore(published: list[Published]) -> None:
    """Write rows again from the topic. It can't tell the attempts: where they are known, they stay.

    Raises DatabaseError.
    """
    _write([_row(each, attempts=0) for each in published], [name for name in _FIELDS if name != "attempts"])


def _write(rows: list[PublishedMinute], fields: list[str]) -> None:
    PublishedMinute.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["minute"], update_fields=fields
    )


def _row(published: Published, attempts: int) -> PublishedMinute:
    record = published.record
    return PublishedMinute(
        minute=str(record.minute),
        start=record.minute.start,
        unique=record.stats.unique,
        total=record.stats.total,
        published_at=record.published_at,
        lag_seconds=max(0.0, record.published_at.timestamp() - record.minute.end),
        partition=PARTITION,
        offset=published.offset,
        attempts=attempts,
    )
