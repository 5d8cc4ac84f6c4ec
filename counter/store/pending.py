"""What people may read of the minutes that wait in Redis, as it stands at this moment.

Nothing here writes, and no command is longer than a chunk: reading never keeps a caller waiting. While the
flush settles a minute its ids go away, in order of arrival; then a reader sees those that are left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

import redis
from django.utils.functional import cached_property

from counter.counters import DEFAULT
from counter.ids import Id
from counter.minute import Minute
from counter.redis import clock
from counter.store.counts import CHUNK, CountStore, Stats
from counter.store.keys import WHOLE, Bucket, parse_minute
from counter.store.script import Script

MAX_PAGE = CHUNK
"""Ids or minutes that one call reads."""

_STRIDE = 2**40
"""Between the positions of two buckets: more than the ids of a minute in one of them."""


class State(StrEnum):
    """How far a pending minute has come."""

    OPEN = "open"
    """Calls are counted in it."""
    CLOSED = "closed"
    """It is over, and waits for the flush."""
    PUBLISHING = "publishing"
    """It is sealed in every bucket: no call can land in it any more."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A minute that has data in Redis."""

    minute: Minute
    state: State
    unique: int
    total: int
    age_seconds: float
    """Since the minute began, by Redis's clock."""
    counter: str = DEFAULT


@dataclass(frozen=True, slots=True)
class Page:
    """Some ids of a minute with their counts, bucket by bucket in order of arrival."""

    counts: list[tuple[Id, int]]
    next: int | None
    """Where the next page starts; None after the last id that there is now."""


class PendingMinutes:
    """Those of one counter. `client` must return bytes, not str; it may repeat commands.

    Without a word about buckets they are all that the counter has when it is first asked for something: use
    it for one answer.
    """

    def __init__(
        self, client: redis.Redis, counter: str = DEFAULT, buckets: Sequence[Bucket] | None = None
    ) -> None:
        self._redis = client
        self._counter = counter
        self._buckets = buckets
        self._page = client.register_script(Script("page").text)

    def list(
        self, since: str = "-inf", until: str = "+inf", limit: int = MAX_PAGE, *, newest_first: bool = False
    ) -> list[Pending]:
        """At most `limit` of the minutes from `since` to `until`, oldest first unless told otherwise.

        Both are written yyyyMMddHHmm, or `(yyyyMMddHHmm`, as Redis writes a bound that is itself left out.
        """
        store = self._store
        now = clock.now(self._redis)
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in store.buckets:
                pipe.get(bucket.sealed)
                if newest_first:
                    pipe.zrevrangebyscore(bucket.pending, until, since, start=0, num=limit)
                else:
                    pipe.zrangebyscore(bucket.pending, since, until, start=0, num=limit)
            found = pipe.execute()
        sealed = min(text or b"" for text in found[::2])
        members = sorted(set(chain.from_iterable(found[1::2])), reverse=newest_first)[:limit]
        minutes = [parse_minute(WHOLE.pending, member) for member in members]
        return [
            self._pending(minute, stats, now, parse_minute(WHOLE.sealed, sealed) if sealed else None)
            for minute, stats in zip(minutes, store.stats(minutes), strict=True)
            if stats.total  # or it was settled meanwhile
        ]

    @cached_property
    def _store(self) -> CountStore:
        if self._buckets:
            return CountStore(self._redis, self._buckets)
        return CountStore.known(self._redis).of(self._counter)

    def _pending(self, minute: Minute, stats: Stats, now: float, sealed: Minute | None) -> Pending:
        age, state = max(0.0, now - minute.start.timestamp()), _state(minute, now, sealed)
        return Pending(minute, state, stats.unique, stats.total, age, self._counter)

    def waiting(self) -> int:
        """How many minutes have data, of any counter, and are over: closed, or sealed already."""
        store = CountStore.known(self._redis)
        return len(store.pending(store.present() - 1))

    def get(self, minute: Minute) -> Pending | None:
        """This minute; None when it has no data here, because it is published or nothing was accepted."""
        return next(iter(self.list(str(minute), str(minute))), None)

    def counts(self, minute: Minute, start: int = 0, limit: int = MAX_PAGE) -> Page:
        """(id, count) of at most `limit` ids, 1 to MAX_PAGE, from `start` on: 0, or the `next` of a page.

        What a page has of one bucket is of one moment. Counts of an open minute grow between two pages, and
        new ids come at the end of their bucket.
        """
        begin, position = divmod(start, _STRIDE)
        counts: list[tuple[Id, int]] = []
        for number, bucket in enumerate(self._store.buckets[begin:], begin):
            names = [bucket.ids(minute), bucket.stats(minute), bucket.prefix(minute)]
            first, ids, values = self._page(keys=names, args=[position, limit - len(counts)])
            counts += [(bucket.read_id(id), int(value or 0)) for id, value in zip(ids, values, strict=True)]
            if len(counts) == limit:
                return Page(counts, number * _STRIDE + first + len(ids))
            position = 0
        return Page(counts, None)

    def count(self, minute: Minute, id: Id) -> int:
        """How often the id was accepted in this minute, as far as that is in Redis: 0 when it is not."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in self._store.buckets:
                pipe.get(f"{bucket.prefix(minute)}{id}")
            return sum(int(value or 0) for value in pipe.execute())


def _state(minute: Minute, now: float, sealed: Minute | None) -> State:
    if sealed and minute <= sealed:
        return State.PUBLISHING
    return State.CLOSED if minute.is_closed(now) else State.OPEN
