"""The page of a published minute: what its record says, and its ids, read back from Kafka."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Any

from django.conf import settings
from django.http import QueryDict

from console.pages.search import search
from console.pages.top import TOP
from console.times import clock
from counter.kafka.client import prefixed
from counter.minute import Minute
from counter.mode import is_event_mode
from counter.models import PublishedMinute
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tasks.output.published_ids import PublishedIds
from tasks.output.transaction import TRANSACTION_TIMEOUT_MS

KAFKA_SECONDS = 2.0
"""For each answer to a page"""


def page(row: PublishedMinute, query: QueryDict) -> dict[str, Any]:
    """What the template shows."""
    minute = Minute.parse(row.minute)
    return {
        "title": f"Minute {minute}",
        "row": row,
        "minute": minute,
        "published_at": clock(row.published_at),
        "topic": prefixed(UNIQUE_COUNTS),
        "search": search(row.counter, query.get("id", "")),
        "has_ids": settings.PUBLISH_ID_COUNTS,
        "ids_topic": prefixed(ID_COUNTS),
        "retention_days": settings.ID_COUNTS_RETENTION_DAYS,
        "has_events": is_event_mode(),
    }


def top_of_slice(row: PublishedMinute, query: Mapping[str, str]) -> dict[str, Any]:
    """The top ids of the slice at `start`, how many were read, and the count of `id` where it is among them.

    Raises KafkaAway or NoTopic.
    """
    ids = PublishedIds(Minute.parse(row.minute), row.counter, _since(row), row.published_at, KAFKA_SECONDS)
    slice, wanted = ids.slice(query.get("start", "")), query.get("id", "").strip()
    top = nlargest(TOP, slice.counts, key=lambda pair: pair[1])
    return {
        "top": [(str(id), count) for id, count in top],
        "found": next((count for id, count in slice.counts if str(id) == wanted), None),
        "read": len(slice.counts),
        "next": slice.next,
    }


def _since(row: PublishedMinute) -> datetime:
    """After which its ids were sent: when the minute before was published, or its transaction's begin."""
    earliest = row.published_at - timedelta(milliseconds=TRANSACTION_TIMEOUT_MS)
    before = PublishedMinute.objects.filter(start__lt=row.start, published_at__lte=row.published_at)
    last = before.order_by("-start").values_list("published_at", flat=True).first()
    return max(earliest, last) if last else earliest
