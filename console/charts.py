"""What the charts draw: the history in buckets, made by the database."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Avg, Count, IntegerField, Max, QuerySet
from django.db.models.expressions import Combinable, Func
from django.db.models.sql.compiler import SQLCompiler
from typing_extensions import override

from counter.counters import DEFAULT
from counter.minute import SECONDS, Minute
from counter.models import PublishedMinute

Minutes = QuerySet[PublishedMinute]


@dataclass(frozen=True, slots=True)
class Span:
    """How far back a chart looks, and how much of that is one point."""

    seconds: int
    step: int


SPANS = {
    "hour": Span(3600, SECONDS),
    "day": Span(24 * 3600, 10 * SECONDS),
    "week": Span(7 * 24 * 3600, 3600),
}


AGGREGATES = {
    "unique": Avg("unique"),
    "total": Avg("total"),
    "lag_mean": Avg("lag_seconds"),
    "lag_max": Max("lag_seconds"),
}


class UnixTime(Func):
    """A point in time as whole Unix seconds."""

    output_field = IntegerField()
    template = "CAST(FLOOR(EXTRACT(EPOCH FROM %(expressions)s)) AS BIGINT)"

    @override
    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)", **context
        )


def chart(span: Span, counter: str = DEFAULT) -> dict[str, Any]:
    """Of one counter. Columns of equal length, a point of each for every bucket until now; None if unknown.

    `time` is the bucket's begin in Unix seconds; `unique` and `total` are the averages of its minutes, and
    `lag_mean` and `lag_max` are theirs; `pending` is how many minutes were over and not yet published, the
    most of what was at the bucket's end and when a minute was published that had waited for another one.
    """
    now = int(time.time())
    last = now // span.step
    buckets = range(last - span.seconds // span.step + 1, last + 1)
    since = datetime.fromtimestamp(buckets[0] * span.step, UTC)
    history = PublishedMinute.objects.filter(counter=counter).order_by()
    rows = {row["bucket"]: row for row in _averages(history, span.step, since)}
    return {
        "step": span.step,
        "time": [bucket * span.step for bucket in buckets],
        **{name: [rows.get(bucket, {}).get(name) for bucket in buckets] for name in AGGREGATES},
        "pending": _pending(history, span.step, since, buckets, now),
    }


def _averages(history: Minutes, step: int, since: datetime) -> Any:
    return history.filter(start__gte=since).values(bucket=UnixTime("start") / step).annotate(**AGGREGATES)


def _pending(history: Minutes, step: int, since: datetime, buckets: range, now: int) -> list[int]:
    """Those that waited before the first bucket and those that ended since, less those published since."""
    latest_start = since - timedelta(seconds=SECONDS)
    bucket = UnixTime("published_at") / step
    published_since = history.filter(published_at__gte=since)
    ended = _count(history.filter(start__gte=latest_start), (UnixTime("start") + SECONDS) / step)
    published, peaks = _count(published_since, bucket), _peaks(published_since, bucket)
    waiting = history.filter(start__lt=latest_start, published_at__gte=since).count()
    for minute in _unpublished(history, now):
        if minute.end < since.timestamp():
            waiting += 1
        else:
            ended[int(minute.end) // step] += 1
    changes = (ended[number] - published[number] for number in buckets)
    at_end = list(accumulate(changes, initial=waiting))[1:]
    return [max(waiting, peaks.get(number, 0)) for number, waiting in zip(buckets, at_end, strict=True)]


def _count(rows: Minutes, bucket: Combinable) -> Counter[int]:
    return Counter(dict(rows.values_list(bucket).annotate(Count("pk"))))


def _peaks(rows: Minutes, bucket: Combinable) -> dict[int, int]:
    """The most that waited when one of these was published: it, and those that ended since it did."""
    longest = rows.filter(lag_seconds__gte=SECONDS).values_list(bucket).annotate(Max("lag_seconds"))
    return {bucket: int(lag // SECONDS) + 1 for bucket, lag in longest}


def _unpublished(history: Minutes, now: int) -> Iterator[Minute]:
    """The minutes that are over and come after the last published one."""
    if not (last := history.order_by("-minute").first()):
        return iter(())
    return (Minute.parse(last.minute) + 1).through(Minute.at(now) - 1)
