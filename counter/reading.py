"""What people may read of the minutes that wait in Redis, as it stands at this moment.

Nothing here writes, and no command is longer than a chunk: reading never keeps a caller waiting. While the
flush settles a minute its ids go away, in order of arrival; then a reader sees those that are left.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import redis

from counter import keys
from counter.minute import Minute
from counter.store import CHUNK, CountStore, Stats

MAX_PAGE = CHUNK
"""Ids or minutes that one call reads."""

_PAGE = Path(__file__).parent / "lua" / "page.lua"


class State(StrEnum):
    """How far a pending minute has come."""

    OPEN = "open"
    """Calls are counted in it."""
    CLOSED = "closed"
    """It is over, and waits for the flush."""
    PUBLISHING = "publishing"
    """It is sealed: no call can land in it any more."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A minute that has data in Redis."""

    minute: Minute
    state: State
    unique: int
    total: int
    age_seconds: float
    """Since the minute began, by Redis's clock."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some ids of a minute with their counts, in order of arrival."""

    counts: list[tuple[int, int]]
    next: int | None
    """Where the next page starts; None after the last id that there is now."""


class PendingMinutes:
    """See the module. `client` must return bytes, not str; it may repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._store = CountStore(client)
        self._page = client.register_script(_PAGE.read_text())

    def list(
        self, since: str = "-inf", until: str = "+inf", limit: int = MAX_PAGE, *, newest_first: bool = False
    ) -> list[Pending]:
        """At most `limit` of the minutes from `since` to `until`, oldest first unless told otherwise.

        Both are written yyyyMMddHHmm, or `(yyyyMMddHHmm`, as Redis writes a bound that is itself left out.
        """
        with self._redis.pipeline() as pipe:
            pipe.time()
            pipe.get(keys.SEALED)
            if newest_first:
                pipe.zrevrangebyscore(keys.PENDING, until, since, start=0, num=limit)
            else:
                pipe.zrangebyscore(keys.PENDING, since, until, start=0, num=limit)
            (seconds, microseconds), sealed, members = pipe.execute()
        now = float(seconds) + float(microseconds) / 1e6
        last_sealed = Minute.parse(sealed) if sealed else None
        minutes = [Minute.parse(member) for member in members]
        return [
            _pending(minute, stats, now, last_sealed)
            for minute, stats in zip(minutes, self._store.stats(minutes), strict=True)
            if stats.total  # or it was settled meanwhile
        ]

    def waiting(self) -> int:
        """How many minutes have data and are over: closed, or sealed already."""
        closed = Minute.at(self._store.now()) - 1
        last = max(closed, self._store.sealed() or closed)
        return int(self._redis.zcount(keys.PENDING, "-inf", str(last)))

    def get(self, minute: Minute) -> Pending | None:
        """This minute; None when it has no data here, because it is published or nothing was accepted."""
        return next(iter(self.list(str(minute), str(minute))), None)

    def counts(self, minute: Minute, start: int = 0, limit: int = MAX_PAGE) -> Page:
        """(id, count) of at most `limit` ids, 1 to MAX_PAGE, from `start` on: 0, or the `next` of a page.

        Each page is consistent in itself. Counts of an open minute grow between two pages, and new ids come
        at the end.
        """
        names = [keys.ids(minute), keys.stats(minute), keys.prefix(minute)]
        first, ids, values = self._page(keys=names, args=[start, limit])
        counts = [(int(id), int(value or 0)) for id, value in zip(ids, values, strict=True)]
        return Page(counts, first + len(ids) if len(ids) == limit else None)

    def count(self, minute: Minute, id: int) -> int:
        """How often the id was accepted in this minute, as far as that is in Redis: 0 when it is not."""
        value = self._redis.get(f"{keys.prefix(minute)}{id}")
        return int(value or 0)


def _pending(minute: Minute, stats: Stats, now: float, sealed: Minute | None) -> Pending:
    age = max(0.0, now - minute.start.timestamp())
    return Pending(minute, _state(minute, now, sealed), stats.unique, stats.total, age)


def _state(minute: Minute, now: float, sealed: Minute | None) -> State:
    if sealed and minute <= sealed:
        return State.PUBLISHING
    return State.CLOSED if minute.is_closed(now) else State.OPEN
