"""CountStore: the counts of all minutes that are not yet in Kafka, as they stand in Redis.

They are spread over buckets, some for each counter; a minute is what all of them have of it. Every write is
idempotent, so the client may repeat it after a lost connection. Nothing here looks for keys: a minute is
found by its entry in `tally:pending`, its ids by its index.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self, cast

import redis
from django.conf import settings

from counter.ids import Id
from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import master_of
from counter.redis.replication import replicated
from counter.store import keys
from counter.store.keys import Bucket, Garbled, parse_minute
from counter.store.registry import known_buckets
from counter.store.script import Script

CHUNK = 1000
"""Ids read or deleted by one command: about a millisecond of Redis's time."""


class CorruptMinute(Exception):
    """The index of a minute does not fit its stats, so its counts can't be trusted."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How many distinct ids and how many calls a minute has."""

    unique: int = 0
    total: int = 0


class CountStore:
    """What some buckets have of each minute, all of them together: `of` has those of one counter.

    `client` must return bytes, not str; it may repeat commands.
    """

    def __init__(self, client: redis.Redis, buckets: Sequence[Bucket]) -> None:
        self.client = client
        self.buckets = buckets
        self._seal = client.register_script(Script("seal").text)
        self._settle = client.register_script(Script("settle").text)

    @classmethod
    def known(cls, client: redis.Redis) -> Self:
        """With all buckets that may hold something at this moment. Raises Garbled."""
        return cls(client, known_buckets(client))

    @property
    def counters(self) -> tuple[str, ...]:
        """Those whose buckets these are, the default one first."""
        return keys.counters_of(self.buckets)

    def of(self, counter: str) -> "CountStore":
        """The same for one counter alone."""
        return CountStore(self.client, [bucket for bucket in self.buckets if bucket.counter == counter])

    def sealed(self) -> Minute | None:
        """The last minute that is sealed in any of the buckets, None before the first. Raises Garbled."""
        return max(filter(None, self._minutes([bucket.sealed for bucket in self.buckets])), default=None)

    def settled(self) -> Minute | None:
        """The last minute whose counts were deleted in any of them, None before the first."""
        return max(filter(None, self._minutes([bucket.settled for bucket in self.buckets])), default=None)

    def present(self) -> Minute:
        """The minute in which calls count now, if these buckets were sealed alike."""
        now, sealed = Minute.at(clock.now(self.client)), self.sealed()
        return max(now, sealed + 1) if sealed else now

    def seal(self, minute: Minute) -> None:
        """Close this minute and all before it for good: once it returns, no write can land in these buckets.

        Where accepting waits for replicas, this does, too.
        """
        for bucket in self.buckets:
            self._seal(keys=[bucket.sealed], args=[str(minute)])
        if settings.ACCEPT_REPLICAS:
            self._hold(minute)

    def _hold(self, minute: Minute) -> None:
        """Wait until the replicas have what was counted before the seal, and the seal.

        Else a failover could take back a batch that is published already, and its writer bring it again. All
        buckets are sealed once more: one of a node that has failed over since may have lost its seal.
        """
        of_node: dict[redis.Redis, list[Bucket]] = defaultdict(list)
        for bucket in self.buckets:
            of_node[master_of(self.client, bucket.sealed)].append(bucket)
        for node, buckets in of_node.items():
            with replicated(node) as pipe:
                for bucket in buckets:
                    self._seal(keys=[bucket.sealed], args=[str(minute)], client=pipe)

    def pending(self, last: Minute | None = None) -> list[Minute]:
        """The minutes that have data, oldest first, up to and including `last`."""
        with self.client.pipeline(transaction=False) as pipe:
            for bucket in self.buckets:
                pipe.zrangebyscore(bucket.pending, "-inf", str(last) if last else "+inf")
            members = set(chain.from_iterable(pipe.execute()))
        return [parse_minute(keys.WHOLE.pending, member) for member in sorted(members)]

    def stats(self, minutes: list[Minute]) -> list[Stats]:
        """The stats of each minute, zeros for one without data."""
        with self.client.pipeline(transaction=False) as pipe:
            for minute in minutes:
                for bucket in self.buckets:
                    pipe.hmget(bucket.stats(minute), "unique", "total")
            found = pipe.execute()
        parts = len(self.buckets)
        return [_sum(found[start : start + parts]) for start in range(0, len(found), parts)]

    def check(self, minutes: Sequence[tuple[Minute, Stats]]) -> None:
        """Raise CorruptMinute unless each sealed minute's index has just as many ids as its stats say.

        Also where it has no stats: someone may have deleted them, or what names the minute.
        """
        with self.client.pipeline(transaction=False) as pipe:
            for minute, _ in minutes:
                for bucket in self.buckets:
                    pipe.llen(bucket.ids(minute))
            found = pipe.execute()
        parts = len(self.buckets)
        for (minute, stats), start in zip(minutes, range(0, len(found), parts), strict=True):
            if (length := sum(found[start : start + parts])) != stats.unique:
                raise CorruptMinute(
                    f"minute {minute} has {length} ids in its index and {stats.unique} in its stats"
                )

    def counts(self, minute: Minute) -> Iterator[list[tuple[Id, int]]]:
        """(id, count) of a sealed minute, bucket by bucket, in order of arrival; a chunk of them at a time.

        Raises CorruptMinute where the index names an id that has no count.
        """
        for bucket in self.buckets:
            yield from self._counts(bucket, minute)

    def _counts(self, bucket: Bucket, minute: Minute) -> Iterator[list[tuple[Id, int]]]:
        prefix, index, start = bucket.prefix(minute).encode(), bucket.ids(minute), 0
        while ids := cast("list[bytes]", self.client.lrange(index, start, start + CHUNK - 1)):
            values = self.client.mget([prefix + id for id in ids])
            if None in values:
                raise CorruptMinute(f"minute {minute} names an id in its index that has no count")
            yield list(zip(map(bucket.read_id, ids), map(int, cast("list[bytes]", values)), strict=True))
            start += CHUNK

    def settle(self, minute: Minute) -> Iterator[bool]:
        """Delete a published minute, bucket by bucket and chunk by chunk; yields whether any may be left.

        The caller must know that the minute is in Kafka. Left half done, it may be called again.
        """
        for bucket in self.buckets:
            names = [
                bucket.sealed,
                bucket.settled,
                bucket.pending,
                bucket.ids(minute),
                bucket.stats(minute),
                bucket.prefix(minute),
            ]
            left = 1
            while left:
                left = self._settle(keys=names, args=[str(minute), CHUNK])
                yield left > 0 or bucket is not self.buckets[-1]

    def _minutes(self, names: list[str]) -> list[Minute | None]:
        with self.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(name)
            found = pipe.execute(raise_on_error=False)
        return [parse_minute(name, text) if text else None for name, text in zip(names, found, strict=True)]


def _sum(parts: list[list[bytes | None]]) -> Stats:
    try:
        unique, total = (sum(int(value or 0) for value in column) for column in zip(*parts, strict=True))
    except ValueError as error:
        raise Garbled("tally:stats", str(error)) from error
    return Stats(unique, total)
