"""The history as CSV, a piece at a time."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime

from django.db.models import QuerySet

from counter.models import PublishedMinute
from counter.time_limit import within
from counter.timestamp import seconds, timestamp

FIELDS = ("minute", "unique", "total", "published_at", "lag_seconds", "partition", "offset", "attempts")
SECONDS = 1.0
"""For each piece: what hangs then ends the file."""

ROWS = 1000
"""In memory at a time, and sent in one piece."""


async def lines(rows: QuerySet[PublishedMinute], counter: str) -> AsyncIterator[str]:
    """A header and a line for every row, however many there are; those of a named counter begin with it."""
    text = io.StringIO()
    writer = csv.writer(text)
    fields = ("counter", *FIELDS) if counter else FIELDS
    writer.writerow(fields)
    # Of whole rows: of values_list() Django makes the query in the event loop, and then refuses it there.
    left = rows.aiterator(chunk_size=ROWS)
    is_last = False
    while not is_last:
        piece = await _next(left)
        is_last = len(piece) < ROWS
        writer.writerows([_value(row, name) for name in fields] for row in piece)
        yield _take(text)


async def _next(left: AsyncIterator[PublishedMinute]) -> list[PublishedMinute]:
    """ROWS of them at most. The request's own time limit is over when they are sent."""
    piece: list[PublishedMinute] = []
    with within(SECONDS):
        async for row in left:
            piece.append(row)
            if len(piece) == ROWS:
                break
    return piece


def _value(row: PublishedMinute, name: str) -> object:
    match getattr(row, name):
        case datetime() as moment:
            return timestamp(moment)
        case float() as length:
            return seconds(length)
        case value:
            return value


def _take(text: io.StringIO) -> str:
    piece = text.getvalue()
    text.seek(0)
    text.truncate()
    return piece
