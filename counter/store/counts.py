"""CountStore: the counts of all minutes that are not yet in Kafka, as they stand in Redis.

They are spread over buckets, some for each counter; a minute is what all of them have of it. Every write is
idempotent, so the client may repeat it after a lost connection. Nothing here looks for keys: a minute is
found by its entry in `tally:pending`, its ids by its index.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import cast
from uuid import uuid4

import redis
from django.conf import settings
from redis.exceptions import OutOfMemoryError, ResponseError

from counter.counters import DEFAULT, counters
from counter.ids import Id
from counter.minute import Minute
from counter.store import keys
from counter.store.clients import is_cluster, master_of, masters
from counter.store.keys import Bucket, Garbled
from counter.store.lease import Lease
from counter.store.offsets import Progress
from counter.store.registry import registered
from counter.store.replication import replicated
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
    """See the module. `client` must return bytes, not str; it may repeat commands.

    Without a word about buckets they are those of REDIS_BUCKETS and COUNTERS and, once `learn` was called,
    all that there ever were. What it says of a minute is then of all counters together: `of` has one of them.
    """

    def __init__(self, client: redis.Redis, buckets: Sequence[Bucket] | None = None) -> None:
        self.client = client
        self._learns = buckets is None
        self.buckets = buckets or keys.places(settings.REDIS_BUCKETS, counters())
        self._seal = client.register_script(Script("seal").text)
        self._settle = client.register_script(Script("settle").text)
        self._identify = client.register_script(Script("identify").text)

    @property
    def counters(self) -> tuple[str, ...]:
        """Those whose buckets these are, the default one first."""
        return keys.counters_of(self.buckets)

    def of(self, counter: str) -> "CountStore":
        """The same for one counter alone, as far as its buckets are known."""
        return CountStore(self.client, [bucket for bucket in self.buckets if bucket.counter == counter])

    def clocks(self) -> list[float]:
        """The clock of every node, in Unix seconds: it decides the minute of the calls in its buckets."""
        clocks = [node.time() for node in masters(self.client)]
        return [float(seconds) + float(microseconds) / 1e6 for seconds, microseconds in clocks]

    def now(self) -> float:
        """The latest time that it is on every node: a minute that is over then is over everywhere."""
        return min(self.clocks())

    def sealed(self) -> Minute | None:
        """The last minute that is sealed in any bucket, None before the first. Raises Garbled."""
        return max(filter(None, self._minutes([bucket.sealed for bucket in self.buckets])), default=None)

    def settled(self) -> Minute | None:
        """The last minute whose counts were deleted in any bucket, None before the first."""
        return max(filter(None, self._minutes([bucket.settled for bucket in self.buckets])), default=None)

    def identity(self) -> str:
        """Who this Redis is; empty while it has no name."""
        return self._text(keys.ID) or ""

    def identify(self) -> str:
        """Who this Redis is; it has a name from then on, which is held by replicas where accepting is."""
        self.identity()  # raises where it can't be read
        with replicated(master_of(self.client, keys.ID)) as pipe:
            self._identify(keys=[keys.ID], args=[uuid4().hex], client=pipe)
        return self.identity()

    def first(self) -> Minute | None:
        """The minute to publish next, while the topic can't tell."""
        return self._minutes([keys.FIRST])[0]

    def begin_at(self, minute: Minute) -> None:
        """Remember the first minute, unless one is remembered: a crash before its commit resumes there.

        Nothing is sealed before, so a backup of anything that was has the name that it is published under.
        """
        self.identify()
        with replicated(master_of(self.client, keys.FIRST)) as pipe:
            pipe.set(keys.FIRST, str(minute), nx=True)

    def override(self, published: Minute) -> None:
        """Take an operator's word that `published` is the last published minute, whatever the topic says."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.set(keys.FIRST, str(published + 1))
            pipe.delete(keys.COMMITTED)
            for bucket in self.buckets:
                pipe.set(bucket.settled, str(published))
            pipe.execute()

    def word(self) -> Minute | None:
        """The minute of an operator's word; None without one, and once publishing has gone on behind it."""
        first, settled = self.first(), self.settled()
        return first - 1 if first and settled and settled >= first - 1 else None

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
        """All buckets that may hold something.

        Also those of a time when there was another number of them, and those of counters that COUNTERS does
        not name any more.
        """
        if self._learns:
            found = self._bucket_counts()
            # Without a tag the keys of the one bucket would be on different nodes of a cluster.
            before = [] if is_cluster() else [1]
            counts = {settings.REDIS_BUCKETS, *(found or before)}
            named = sorted({*settings.COUNTERS, *registered(self.client)})
            every = (keys.places(count, (DEFAULT, *named)) for count in sorted(counts, reverse=True))
            by_place = {(bucket.counter, bucket.tag): bucket for bucket in chain.from_iterable(every)}
            self.buckets = tuple(by_place[place] for place in sorted(by_place, key=lambda each: each[0]))
        return self.buckets

    def _bucket_counts(self) -> list[int]:
        try:
            return [int(number) for number in self.client.smembers(keys.BUCKETS)]
        except (ResponseError, ValueError) as error:
            raise Garbled(keys.BUCKETS, str(error)) from error

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

    def attempt(self, minute: Minute) -> int:
        """Count one more attempt to publish this minute; says which one it is, 1 for the first."""
        try:
            return int(self.client.hincrby(keys.ATTEMPTS, str(minute), 1))
        except ResponseError:
            return 1  # the number is for people; freeing a full Redis's memory is more urgent

    def halted(self) -> str | None:
        """Why publishing has stopped, None while it works."""
        try:
            reason = cast("bytes | None", self.client.get(keys.HALTED))
        except ResponseError as error:
            return f"{keys.HALTED} can't be read: {error}"
        return reason.decode(errors="replace") if reason else None

    def halt(self, reason: str) -> None:
        """Show everyone why publishing has stopped."""
        self.client.set(keys.HALTED, reason)

    def published(self) -> None:
        """Publishing works: forget what was kept for the case that it does not."""
        with self.client.pipeline(transaction=False) as pipe:
            for name in (keys.FIRST, keys.ATTEMPTS, keys.COMMITTED, keys.HALTED):
                pipe.delete(name)
            pipe.execute()

    def resume(self) -> None:
        """All is well, though there was nothing to publish: forget why publishing had stopped."""
        self.client.delete(keys.HALTED)

    def acknowledge(self, last: Minute, offset: int) -> None:
        """Remember a commit that Kafka has acknowledged, of minutes up to `last`, until it is read back.

        `offset` is that of its first record in `unique-counts`.
        """
        with suppress(OutOfMemoryError):  # freeing the memory is more urgent
            self.client.set(keys.COMMITTED, f"{last} {offset}")

    def acknowledged(self) -> tuple[Minute, int] | None:
        """The last commit that was acknowledged and not read back, as `acknowledge` was told."""
        if not (kept := self._text(keys.COMMITTED)):
            return None
        last, _, offset = kept.partition(" ")
        if not offset.isdigit():
            raise Garbled(keys.COMMITTED, kept)
        return parse_minute(keys.COMMITTED, last.encode()), int(offset)

    def keep_partitions(self, count: int) -> None:
        """Take an operator's word that readers of `unique-counts` know of so many partitions."""
        self.client.set(keys.PARTITIONS, count)

    def kept_partitions(self) -> int:
        """How many partitions of `unique-counts` are agreed to."""
        kept = self._text(keys.PARTITIONS) or "1"
        if not kept.isdigit():
            raise Garbled(keys.PARTITIONS, kept)
        return int(kept)

    def progress(self) -> Progress:
        """How far events have been counted, in event mode, of all counters that are known."""
        progress = Progress(self.client)
        progress.know(self.counters)
        return progress

    def event_buckets(self) -> list[Bucket]:
        """Those that events are counted in: minutes wait for them."""
        with self.client.pipeline(transaction=False) as pipe:
            for bucket in self.buckets:
                pipe.exists(bucket.requests)
            found = pipe.execute()
        return [bucket for bucket, exists in zip(self.buckets, found, strict=True) if exists]

    def forget_events(self) -> None:
        """That there ever were any: minutes end by Redis's clock alone again."""
        with self.client.pipeline(transaction=False) as pipe:
            for bucket in self.learn():
                pipe.delete(bucket.requests)
            pipe.execute()

    def lease(self) -> Lease:
        """The right to be the one flusher; not yet taken."""
        return Lease(self.client)

    def _text(self, name: str) -> str | None:
        """What is in the key. Raises Garbled where that is no text."""
        try:
            found = cast("bytes | None", self.client.get(name))
            return found.decode() if found else None
        except (ResponseError, UnicodeDecodeError) as error:
            raise Garbled(name, str(error)) from error

    def _minutes(self, names: list[str]) -> list[Minute | None]:
        with self.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(name)
            found = pipe.execute(raise_on_error=False)
        return [parse_minute(name, text) if text else None for name, text in zip(names, found, strict=True)]


def parse_minute(name: str, found: bytes | Exception) -> Minute:
    """The minute that Redis found in the key `name`. Raises Garbled."""
    if isinstance(found, Exception):
        raise Garbled(name, str(found)) from found
    try:
        return Minute.parse(found)
    except ValueError:
        raise Garbled(name, found) from None


def _sum(parts: list[list[bytes | None]]) -> Stats:
    try:
        unique, total = (sum(int(value or 0) for value in column) for column in zip(*parts, strict=True))
    except ValueError as error:
        raise Garbled("tally:stats", str(error)) from error
    return Stats(unique, total)
