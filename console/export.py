"""The history as CSV, a piece at a time."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime

from django.db.models import QuerySet

from counter.models import PublishedMinute

FIELDS = ("minute", "unique", "total", "published_at", "lag_seconds", "partition", "offset", "attempts")
ROWS = 1000
"""In memory at a time, and sent in one piece."""


async def lines(rows: QuerySet[PublishedMinute]) -> AsyncIterator[str]:
    """A header and a line for every row, however many there are."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(FIELDS)
    count = 0
    # Of whole rows: of values_list() Django makes the query in the event loop, and then refuses it there.
    async for row in rows.aiterator(chunk_size=ROWS):
        writer.writerow([_value(row, name) for name in FIELDS])
        count += 1
        if count % ROWS == 0:
            yield _take(text)
    yield _take(text)


def _value(row: PublishedMinute, name: str) -> object:
    value = getattr(row, name)
    return value.isoformat() if isinstance(value, datetime) else value


def _take(text: io.StringIO) -> str:
    piece = text.getvalue()
    text.seek(0)
    text.truncate()
    return piece
