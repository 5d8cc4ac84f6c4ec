"""CountStore: the counts of all minutes that are not yet in Kafka, as they stand in Redis.

They are spread over buckets; a minute is what all of them have of it. Every write is idempotent, so the
client may repeat it after a lost connection. Nothing here looks for keys: a minute is found by its entry in
`tally:pending`, its ids by its index.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import cast

import redis
from django.conf import settings
from redis.exceptions import LockError, OutOfMemoryError
from redis.lock import Lock

from counter.minute import Minute
from counter.store import keys
from counter.store.clients import is_cluster, master_of, masters
from counter.store.keys import Bucket
from counter.store.offsets import Progress
from counter.store.replication import replicated
from counter.store.script import Script

CHUNK = 1000
"""Ids read or deleted by one command: about a millisecond of Redis's time."""

LEASE_SECONDS = 15
"""How long a dead flusher keeps others waiting. A live one extends its lease every few seconds."""


class CorruptMinute(Exception):
    """The index of a minute does not fit its stats, so its counts can't be trusted."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How many distinct ids and how many calls a minute has."""

    unique: int = 0
    total: int = 0


class CountStore:
    """See the module. `client` must return bytes, not str; it may repeat commands.

    Without a word about buckets they are those of REDIS_BUCKETS and, once `learn` was called, all that there
    ever were.
    """

    def __init__(self, client: redis.Redis, buckets: Sequence[Bucket] | None = None) -> None:
        self._redis = client
        self._learns = buckets is None
        self.buckets = buckets or keys.buckets(settings.REDIS_BUCKETS)
        self._seal = client.register_script(Script("seal").text)
        self._settle = client.register_script(Script("settle").text)

    def clocks(self) -> list[float]:
        """The clock of every node, in Unix seconds: it decides the minute of the calls in its buckets."""
        clocks = [node.time() for node in masters(self._redis)]
        return [float(seconds) + float(microseconds) / 1e6 for seconds, microseconds in clocks]

    def now(self) -> float:
        """The latest time that it is on every node: a minute that is over then is over everywhere."""
        return min(self.clocks())

    def sealed(self) -> Minute | None:
        """The last minute that is sealed in any bucket, None before the first."""
        return max(filter(None, self._minutes([bucket.sealed for bucket in self.buckets])), default=None)

    def settled(self) -> Minute | None:
        """The last minute whose counts were deleted in any bucket, None before the first."""
        return max(filter(None, self._minutes([bucket.settled for bucket in self.buckets])), default=None)

    def first(self) -> Minute | None:
        """The minute to publish next, while the topic can't tell."""
        return self._minutes([keys.FIRST])[0]

    def begin_at(self, minute: Minute) -> None:
        """Remember the first minute, unless one is remembered: a crash before its commit resumes there."""
        with replicated(master_of(self._redis, keys.FIRST)) as pipe:
            pipe.set(keys.FIRST, str(minute), nx=True)

    def override(self, published: Minute) -> None:
        """Take an operator's word that `published` is the last published minute, whatever the topic says."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(keys.FIRST, str(published + 1))
            for bucket in self.buckets:
                pipe.set(bucket.settled, str(published))
            pipe.execute()

    def seal(self, minute: Minute) -> None:
        """Close this minute and all before it for good: once it returns, no write can land in them.

        Where accepting waits for replicas, this does, too. It learns of new buckets: whoever adds some does
        that before he looks how far is sealed.
        """
        sealed: set[Bucket] = set()
        while left := [bucket for bucket in self.learn() if bucket not in sealed]:
            for bucket in left:
                self._seal(keys=[bucket.sealed], args=[str(minute)])
            sealed.update(left)
        if settings.ACCEPT_REPLICAS:
            self._hold(minute)

    def learn(self) -> Sequence[Bucket]:
        """All buckets that may hold something, also those of a time when there was another number of them."""
        if self._learns:
            found = cast("set[bytes]", self._redis.smembers(keys.BUCKETS))
            # Without a tag the keys of the one bucket would be on different nodes of a cluster.
            before = [] if is_cluster() else [b"1"]
            counts = {settings.REDIS_BUCKETS, *map(int, found or before)}
            every = chain.from_iterable(keys.buckets(count) for count in sorted(counts, reverse=True))
            self.buckets = tuple({bucket.tag: bucket for bucket in every}.values())
        return self.buckets

    def _hold(self, minute: Minute) -> None:
        """Wait until the replicas have what was counted before the seal, and the seal.

        Else a failover could take back a batch that is published already, and its writer bring it again. All
        buckets are sealed once more: one of a node that has failed over since may have lost its seal.
        """
        of_node: dict[redis.Redis, list[Bucket]] = defaultdict(list)
        for bucket in self.buckets:
            of_node[master_of(self._redis, bucket.sealed)].append(bucket)
        for node, buckets in of_node.items():
            with replicated(node) as pipe:
                for bucket in buckets:
                    self._seal(keys=[bucket.sealed], args=[str(minute)], client=pipe)

    def pending(self, last: Minute | None = None) -> list[Minute]:
        """The minutes that have data, oldest first, up to and including `last`."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in self.buckets:
                pipe.zrangebyscore(bucket.pending, "-inf", str(last) if last else "+inf")
            members = set(chain.from_iterable(pipe.execute()))
        return [Minute.parse(cast("bytes", member)) for member in sorted(members)]

    def stats(self, minutes: list[Minute]) -> list[Stats]:
        """The stats of each minute, zeros for one without data."""
        with self._redis.pipeline(transaction=False) as pipe:
            for minute in minutes:
                for bucket in self.buckets:
                    pipe.hmget(bucket.stats(minute), "unique", "total")
            found = pipe.execute()
        parts = len(self.buckets)
        return [_sum(found[start : start + parts]) for start in range(0, len(found), parts)]

    def check(self, minute: Minute, stats: Stats) -> None:
        """Raise CorruptMinute unless a sealed minute's index has just as many ids as its stats say."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in self.buckets:
                pipe.llen(bucket.ids(minute))
            length = sum(pipe.execute())
        if length != stats.unique:
            raise CorruptMinute(
                f"minute {minute} has {length} ids in its index and {stats.unique} in its stats"
            )

    def counts(self, minute: Minute) -> Iterator[list[tuple[int, int]]]:
        """(id, count) of a sealed minute, bucket by bucket, in order of arrival; a chunk of them at a time.

        Raises CorruptMinute where the index names an id that has no count.
        """
        for bucket in self.buckets:
            yield from self._counts(bucket, minute)

    def _counts(self, bucket: Bucket, minute: Minute) -> Iterator[list[tuple[int, int]]]:
        prefix, index, start = bucket.prefix(minute), bucket.ids(minute), 0
        while ids := [int(id) for id in self._redis.lrange(index, start, start + CHUNK - 1)]:
            values = self._redis.mget([f"{prefix}{id}" for id in ids])
            if None in values:
                raise CorruptMinute(f"minute {minute} names an id in its index that has no count")
            yield [(id, int(value or 0)) for id, value in zip(ids, values, strict=True)]
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

    def attempt(self, minute: Minute) -> int:
        """Count one more attempt to publish this minute; says which one it is, 1 for the first."""
        try:
            return int(self._redis.hincrby(keys.ATTEMPTS, str(minute), 1))
        except OutOfMemoryError:
            return 1  # the number is for people; freeing the memory is more urgent

    def halted(self) -> str | None:
        """Why publishing has stopped, None while it works."""
        reason = cast("bytes | None", self._redis.get(keys.HALTED))
        return reason.decode() if reason else None

    def halt(self, reason: str) -> None:
        """Show everyone why publishing has stopped."""
        self._redis.set(keys.HALTED, reason)

    def published(self) -> None:
        """Publishing works: forget what was kept for the case that it does not."""
        with self._redis.pipeline(transaction=False) as pipe:
            for name in (keys.FIRST, keys.ATTEMPTS, keys.HALTED):
                pipe.delete(name)
            pipe.execute()

    def progress(self) -> Progress:
        """How far events have been counted, in event mode."""
        return Progress(self._redis)

    def event_buckets(self) -> list[Bucket]:
        """Those that events are counted in: minutes wait for them."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in self.buckets:
                pipe.exists(bucket.requests)
            found = pipe.execute()
        return [bucket for bucket, exists in zip(self.buckets, found, strict=True) if exists]

    def forget_events(self) -> None:
        """That there ever were any: minutes end by Redis's clock alone again."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in self.learn():
                pipe.delete(bucket.requests)
            pipe.execute()

    def lease(self) -> "Lease":
        """The right to be the one flusher; not yet taken."""
        return Lease(self._redis)

    def _minutes(self, names: list[str]) -> list[Minute | None]:
        with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(name)
            return [Minute.parse(text) if text else None for text in pipe.execute()]


def _sum(parts: list[list[bytes | None]]) -> Stats:
    unique, total = (sum(int(value or 0) for value in column) for column in zip(*parts, strict=True))
    return Stats(unique, total)


class LeaseLost(Exception):
    """Another flusher is at work, or may be: stop. A normal event."""


class Lease:
    """A lock that runs out by itself. For efficiency only: what it must not allow, Kafka's fence refuses."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._lock = Lock(client, keys.LOCK, timeout=LEASE_SECONDS, blocking=False, thread_local=False)
        self._held = False

    def take(self) -> bool:
        """Whether the lease is ours now."""
        try:
            self._held = self._lock.acquire()
        except OutOfMemoryError:
            return True  # the flush is what frees memory, and the fence is enough
        return self._held

    def extend(self) -> None:
        """A whole lease more from now. Raises LeaseLost when it had run out."""
        if not self._held:
            return
        try:
            self._lock.reacquire()
        except LockError as error:
            raise LeaseLost from error

    def release(self) -> None:
        """Let the next one in. Having lost it is no error."""
        if self._held:
            with suppress(LockError):
                self._lock.release()

    def remaining(self) -> timedelta:
        """How long the present holder's lease still runs; zero without one."""
        return timedelta(milliseconds=max(0, self._redis.pttl(keys.LOCK)))
