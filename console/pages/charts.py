"""What the charts draw: the history in buckets, made by the database."""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, Self

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Avg, Count, IntegerField, Max, Min, QuerySet
from django.db.models.expressions import Combinable, Func
from django.db.models.sql.compiler import SQLCompiler
from typing_extensions import override

from counter.counters import DEFAULT
from counter.minute import SECONDS, Minute
from counter.models import PublishedMinute

Minutes = QuerySet[PublishedMinute]


DAY = 24 * 3600
STEPS = (SECONDS, 10 * SECONDS, 3600, 6 * 3600, DAY, 7 * DAY)
MAX_POINTS = 180
MIN_POINTS = 5

MAX_WAIT = timedelta(days=7)
"""A minute that waited longer than this before a window is not seen in it: history is not read to its end."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a chart shows: numbers of buckets, each of `step` seconds since 1970."""

    step: int
    buckets: range

    @classmethod
    def last(cls, seconds: int, step: int) -> Self:
        """As many seconds until now; the last bucket still grows."""
        last = int(time.time()) // step
        return cls(step, range(last - seconds // step + 1, last + 1))

    @classmethod
    def between(cls, since: int, until: int) -> Self:
        """From one Unix time to another, as far as that is over, in as small steps as there is room for.

        Where that is next to nothing, it begins earlier. Raises ValueError for what is no range.
        """
        now = int(time.time())
        if not 0 <= since < until or since > now:
            raise ValueError(f"no range: {since} to {until}")
        until = min(until, now)
        step = next((step for step in STEPS if (until - since) / step <= MAX_POINTS), STEPS[-1])
        last = until // step
        first = max(since // step, last - MAX_POINTS)
        return cls(step, range(min(first, last - MIN_POINTS + 1), last + 1))

    @property
    def since(self) -> datetime:
        """Its begin."""
        return datetime.fromtimestamp(self.buckets[0] * self.step, UTC)

    @property
    def until(self) -> datetime:
        """Its end, which may be ahead."""
        return datetime.fromtimestamp((self.buckets[-1] + 1) * self.step, UTC)


SPANS = {"hour": (3600, SECONDS), "day": (DAY, 10 * SECONDS), "week": (7 * DAY, 3600)}
"""Of the windows that end now: how long they are, and how much of that is one point, in seconds."""

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


def chart(window: Window, counter: str = DEFAULT) -> dict[str, Any]:
    """Of one counter. Columns of equal length, a point of each for every bucket; None if unknown.

    `time` is the bucket's begin in Unix seconds; `unique` and `total` are the averages of its minutes, and
    `lag_mean` and `lag_max` are theirs; `pending` is how many minutes were over and not yet published, the
    most of what was at the bucket's end and when a minute was published that had waited for another one.
    `standstills` are the times in which publishing stood still: begin and end, in Unix seconds.
    """
    history = PublishedMinute.objects.filter(counter=counter).order_by()
    rows = {row["bucket"]: row for row in _averages(history, window)}
    unpublished = _unpublished(history)
    return {
        "step": window.step,
        "time": [bucket * window.step for bucket in window.buckets],
        **{name: [rows.get(bucket, {}).get(name) for bucket in window.buckets] for name in AGGREGATES},
        "pending": _pending(history, window, unpublished),
        "standstills": _standstills(history, window, unpublished),
    }


def _averages(history: Minutes, window: Window) -> Any:
    rows = history.filter(start__gte=window.since, start__lt=window.until)
    return rows.values(bucket=UnixTime("start") / window.step).annotate(**AGGREGATES)


def _pending(history: Minutes, window: Window, unpublished: range) -> list[int]:
    """Those that waited before the first bucket and those that ended since, less those published since."""
    step, since = window.step, window.since
    latest_start = since - timedelta(seconds=SECONDS)
    ending = history.filter(start__gte=latest_start, start__lt=window.until)
    published_since = history.filter(published_at__gte=since, published_at__lt=window.until)
    bucket = UnixTime("published_at") / step
    ended = _count(ending, (UnixTime("start") + SECONDS) / step)
    published, peaks = _count(published_since, bucket), _peaks(published_since, bucket)
    before = history.filter(start__lt=latest_start, start__gte=latest_start - MAX_WAIT)
    waiting = before.filter(published_at__gte=since).count()
    ends = range(unpublished.start + 1, unpublished.stop + 1)  # each in minutes since 1970
    waiting += len(_overlap(ends, 0, window.buckets[0] * step))
    for number in window.buckets:
        ended[number] += len(_overlap(ends, number * step, (number + 1) * step))
    changes = (ended[number] - published[number] for number in window.buckets)
    at_end = list(accumulate(changes, initial=waiting))[1:]
    return [
        max(waiting, peaks.get(number, 0)) for number, waiting in zip(window.buckets, at_end, strict=True)
    ]


def _overlap(minutes: range, since: int, until: int) -> range:
    return range(max(minutes.start, since // SECONDS), min(minutes.stop, until // SECONDS))


def _count(rows: Minutes, bucket: Combinable) -> Counter[int]:
    return Counter(dict(rows.values_list(bucket).annotate(Count("pk"))))


def _peaks(rows: Minutes, bucket: Combinable) -> dict[int, int]:
    """The most that waited when one of these was published: it, and those that ended since it did."""
    longest = rows.filter(lag_seconds__gte=SECONDS).values_list(bucket).annotate(Max("lag_seconds"))
    return {bucket: int(lag // SECONDS) + 1 for bucket, lag in longest}


def _standstills(history: Minutes, window: Window, unpublished: range) -> list[tuple[float, float]]:
    """From the end of a minute that waited for another one until it was published, and until now."""
    late = history.filter(
        lag_seconds__gte=SECONDS,
        published_at__gte=window.since,
        published_at__lt=window.until + MAX_WAIT,
        start__lt=window.until,
    )
    by_bucket = late.values_list(UnixTime("published_at") / window.step)
    spans = [
        (begin.timestamp() + SECONDS, end.timestamp())
        for _, begin, end in by_bucket.annotate(Min("start"), Max("published_at"))
    ]
    if len(unpublished) > 1:
        spans.append((Minute(unpublished[0]).end, time.time()))
    return _merged(spans)


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """In order, where they overlap as one."""
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return merged


def _unpublished(history: Minutes) -> range:
    """The numbers of the minutes that are over and come after the last published one."""
    if not (last := history.order_by("-minute").first()):
        return range(0)
    return range(Minute.parse(last.minute).number + 1, Minute.at(time.time()).number)
