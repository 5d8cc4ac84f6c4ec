"""What the first page says: whether counts flow, what waits, and what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from redis.exceptions import RedisError, ResponseError

from console.client import client
from console.headline import calls, kafka
from console.headline.flushing import Outcome, follow
from console.headline.verdict import Section, Verdict
from console.level import Level
from console.query import number
from counter.counters import DEFAULT, counters
from counter.minute import SECONDS, Minute
from counter.models import PublishedMinute
from counter.redis import clock
from counter.store.counts import CountStore, Stats
from counter.store.pending import Pending, PendingMinutes, State
from counter.store.publishing_state import PublishingState

ROWS = 30
"""Minutes on a page; more than these wait only when publishing has stood still for half an hour."""

OVERDUE_SECONDS = 90
"""After a minute's end. It is published within a few seconds, and beat gives the next hint after 60."""


@dataclass(frozen=True, slots=True)
class Row:
    """A pending minute as the table shows it."""

    pending: Pending

    @property
    def state(self) -> str:
        """As the API says it, or `overdue`."""
        return "overdue" if self.waited_seconds > OVERDUE_SECONDS else self.pending.state

    @property
    def waited_seconds(self) -> float:
        """Since the minute's end; below zero while it is not over."""
        return self.pending.age_seconds - SECONDS

    @property
    def per_second(self) -> float:
        """Ids accepted, on the average of the minute so far."""
        return self.pending.total / min(SECONDS, max(1.0, self.pending.age_seconds))


@dataclass(frozen=True, slots=True)
class OfCounter:
    """A counter beside the others."""

    counter: str
    stats: Stats
    """Of the present minute"""
    last: PublishedMinute | None
    """Its record of the last published minute"""


@dataclass(slots=True)
class Overview:
    """Everything on the page that comes from Redis and from the history."""

    verdict: Verdict
    now: float = 0.0
    """Redis's clock, in Unix seconds; 0 when it can't be told."""
    rows: list[Row] = field(default_factory=list)
    older: str | None = None
    """`until` of the next page of older minutes."""
    open: Row | None = None
    waiting: int = 0
    oldest: Row | None = None
    last: PublishedMinute | None = None
    unpublished_seconds: float = 0.0
    """Since the end of the first minute that is over and not published, idle ones too."""
    outcome: Outcome | None = None
    counter: str = DEFAULT
    minute: Minute | None = None
    """The present one, by Redis's clock"""
    counters: list[OfCounter] = field(default_factory=list)


def look(query: Mapping[str, str], counter: str = DEFAULT) -> Overview:
    """The state of things at this moment. Never raises because Redis is away: it says so.

    The minutes are those of one counter. In `query`: `until`, to show minutes before that one; `flush` and
    `at`, to follow a flush asked for.
    """
    last = PublishedMinute.objects.filter(counter=counter).first()
    try:
        return _look(query, counter, last)
    except RedisError as error:
        return Overview(away(error), last=last, counter=counter)


def _look(query: Mapping[str, str], counter: str, last: PublishedMinute | None) -> Overview:
    store, minutes = CountStore.known(client()), PendingMinutes(client(), counter)
    now, published = clock.now(client()), PublishedMinute.objects.first()
    until = number(query, "until")
    rows = _rows(minutes, "+inf" if until is None else f"({until}")
    newest = next(iter(rows if until is None else _rows(minutes, limit=1)), None)
    is_open = newest is not None and newest.pending.state == State.OPEN
    oldest = next((Row(pending) for pending in minutes.list(limit=1)), None)
    overview = Overview(
        Verdict(Level.OK, ""),
        now=now,
        rows=rows,
        older=str(rows[-1].pending.minute) if len(rows) == ROWS else None,
        open=newest if is_open else None,
        waiting=minutes.waiting(),
        oldest=None if oldest and oldest.pending.state == State.OPEN else oldest,
        last=last,
        unpublished_seconds=_unpublished_seconds(store, published),
        outcome=follow(client(), query),
        counter=counter,
        minute=Minute.at(now),
        counters=_counters(store, Minute.at(now), published),
    )
    overview.verdict = next(_verdicts(overview))
    return overview


def _counters(store: CountStore, minute: Minute, published: PublishedMinute | None) -> list[OfCounter]:
    """All of them side by side, where there are several: in this minute, and in the last published one."""
    if len(counters()) == 1:
        return []
    rows = PublishedMinute.objects.filter(minute=published.minute) if published else ()
    last = {row.counter: row for row in rows}
    return [OfCounter(name, store.of(name).stats([minute])[0], last.get(name)) for name in counters()]


def _rows(minutes: PendingMinutes, until: str = "+inf", limit: int = ROWS) -> list[Row]:
    return [Row(pending) for pending in minutes.list(until=until, limit=limit, newest_first=True)]


def away(error: RedisError) -> Verdict:
    """What every page says while Redis does not answer, or not as it should."""
    if isinstance(error, ResponseError):
        return Verdict(
            Level.BAD,
            "Redis holds something that Tally has not written, or does not let it read",
            f"{error}. Mend or delete that key; what can be told for sure is mended by itself.",
            Section.OVERWRITTEN,
        )
    return Verdict(
        Level.BAD,
        "Redis is away: no call can be accepted",
        f"Callers are told 503 and try again. Start Redis, and counting goes on by itself; what was accepted"
        f" is in its append-only file. ({error})",
        Section.REDIS_DOWN,
    )


def _verdicts(overview: Overview) -> Iterator[Verdict]:
    """The worst first; the last one is always there."""
    yield from calls.refused(client())
    if halted := PublishingState(client()).halted():
        yield Verdict(
            Level.BAD,
            "Publishing has stopped, so as not to publish anything twice or lose it",
            f"{halted}. Counting goes on and nothing is deleted. Remove the cause, then flush. If the topic"
            " itself can't be repaired, tally set_last_published says where to go on.",
            Section.STOPPED,
        )
    yield from kafka.verdicts(client())
    if overview.oldest and overview.oldest.waited_seconds > OVERDUE_SECONDS:
        yield Verdict(
            Level.BAD,
            "Publishing is behind",
            "Nothing is lost while minutes wait. Look whether Kafka, a worker and beat are there;"
            " Flush now tries at once.",
            Section.MINUTE_OVERDUE,
        )
    if (gap := overview.unpublished_seconds) > OVERDUE_SECONDS:
        yield Verdict(
            Level.BAD,
            "Publishing stands still",
            f"Not even an empty minute was published for {gap / SECONDS:.0f} minutes. Look whether"
            " Kafka, a worker and beat are there.",
            Section.MINUTE_OVERDUE,
        )
    yield from calls.unsafe(client())
    if overview.open or any(each.stats.total for each in overview.counters):
        yield Verdict(Level.OK, "Counts flow")
    elif overview.last or overview.oldest:
        yield Verdict(Level.OK, "Idle: no call in this minute yet")
    yield Verdict(
        Level.OK, "Ready: waiting for the first call", "Try it: curl '/api/verve/accept?id=42' of this host."
    )


def _unpublished_seconds(store: CountStore, last: PublishedMinute | None) -> float:
    # The history may lag behind the topic, and an idle minute is never settled: together they know.
    known = [minute for minute in (store.settled(), last and Minute.parse(last.minute)) if minute]
    return clock.now(store.client) - (max(known) + 1).end if known else 0.0
