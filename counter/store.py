"""CountStore: the counts of all minutes that are not yet in Kafka, as they stand in Redis.

Every write is idempotent, so the client may repeat it after a lost connection. Nothing here looks for keys:
a minute is found by its entry in `tally:pending`, its ids by its index.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import redis
from redis.exceptions import LockError, OutOfMemoryError
from redis.lock import Lock

from counter import keys
from counter.minute import Minute

CHUNK = 1000
"""Ids read or deleted by one command: about a millisecond of Redis's time."""

LEASE_SECONDS = 15
"""How long a dead flusher keeps others waiting. A live one extends its lease every few seconds."""

_LUA = Path(__file__).parent / "lua"


class CorruptMinute(Exception):
    """The index of a minute does not fit its stats, so its counts can't be trusted."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How many distinct ids and how many calls a minute has."""

    unique: int = 0
    total: int = 0


class CountStore:
    """See the module. `client` must return bytes, not str; it may repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._seal = client.register_script((_LUA / "seal.lua").read_text())
        self._settle = client.register_script((_LUA / "settle.lua").read_text())

    def now(self) -> float:
        """Redis's clock, in Unix seconds: the one that decides the minute."""
        seconds, microseconds = self._redis.time()
        return float(seconds) + float(microseconds) / 1e6

    def sealed(self) -> Minute | None:
        """The last sealed minute, None before the first."""
        return self._minute(keys.SEALED)

    def settled(self) -> Minute | None:
        """The last minute whose counts were deleted, None before the first."""
        return self._minute(keys.SETTLED)

    def first(self) -> Minute | None:
        """The minute to publish next, while the topic can't tell."""
        return self._minute(keys.FIRST)

    def begin_at(self, minute: Minute) -> None:
        """Remember the first minute, unless one is remembered: a crash before its commit resumes there."""
        self._redis.set(keys.FIRST, str(minute), nx=True)

    def override(self, published: Minute) -> None:
        """Take an operator's word that `published` is the last published minute, whatever the topic says."""
        with self._redis.pipeline() as pipe:
            pipe.set(keys.FIRST, str(published + 1))
            pipe.set(keys.SETTLED, str(published))
            pipe.execute()

    def seal(self, minute: Minute) -> None:
        """Close this minute and all before it for good: no write can land in them from now on."""
        self._seal(keys=[keys.SEALED], args=[str(minute)])

    def pending(self, last: Minute | None = None) -> list[Minute]:
        """The minutes that have data, oldest first, up to and including `last`."""
        members = self._redis.zrangebyscore(keys.PENDING, "-inf", str(last) if last else "+inf")
        return [Minute.parse(cast("bytes", member)) for member in members]

    def stats(self, minutes: list[Minute]) -> list[Stats]:
        """The stats of each minute, zeros for one without data."""
        with self._redis.pipeline(transaction=False) as pipe:
            for minute in minutes:
                pipe.hmget(keys.stats(minute), "unique", "total")
            return [Stats(*(int(value or 0) for value in values)) for values in pipe.execute()]

    def check(self, minute: Minute, stats: Stats) -> None:
        """Raise CorruptMinute unless a sealed minute's index has just as many ids as its stats say."""
        length = self._redis.llen(keys.ids(minute))
        if length != stats.unique:
            raise CorruptMinute(
                f"minute {minute} has {length} ids in its index and {stats.unique} in its stats"
            )

    def counts(self, minute: Minute) -> Iterator[list[tuple[int, int]]]:
        """(id, count) of a sealed minute, in order of arrival; one chunk of them is in memory at a time.

        Raises CorruptMinute where the index names an id that has no count.
        """
        prefix, start = keys.prefix(minute), 0
        while ids := [int(id) for id in self._redis.lrange(keys.ids(minute), start, start + CHUNK - 1)]:
            values = self._redis.mget([f"{prefix}{id}" for id in ids])
            if None in values:
                raise CorruptMinute(f"minute {minute} names an id in its index that has no count")
            yield [(id, int(value or 0)) for id, value in zip(ids, values, strict=True)]
            start += CHUNK

    def settle(self, minute: Minute) -> Iterator[int]:
        """Delete a published minute, chunk by chunk; yields how many ids are left.

        The caller must know that the minute is in Kafka. Left half done, it may be called again.
        """
        names = [
            keys.SEALED,
            keys.SETTLED,
            keys.PENDING,
            keys.ids(minute),
            keys.stats(minute),
            keys.prefix(minute),
        ]
        left = 1
        while left:
            left = self._settle(keys=names, args=[str(minute), CHUNK])
            yield left

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
        self._redis.delete(keys.FIRST, keys.ATTEMPTS, keys.HALTED)

    def lease(self) -> "Lease":
        """The right to be the one flusher; not yet taken."""
        return Lease(self._redis)

    def _minute(self, key: str) -> Minute | None:
        text = cast("bytes | None", self._redis.get(key))
        return Minute.parse(text) if text else None


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
