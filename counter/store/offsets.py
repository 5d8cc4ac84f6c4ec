"""Progress: how far each partition of `requests` has been counted, as it stands in Redis beside the counts.

Every bucket of every counter keeps its own progress with each partition, written by the script that counts:
so whatever is lost or comes twice, an event counts once. Kafka's own offsets of the consumer group are for
display only.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import redis
from django.conf import settings
from redis.exceptions import NoScriptError, RedisError

from counter.counters import DEFAULT
from counter.ids import Id
from counter.minute import Minute
from counter.store import keys
from counter.store.clients import master_of, refresh
from counter.store.keys import Bucket, Garbled
from counter.store.script import Script

NEVER = Minute(-1)
"""Before every minute: closed while nothing is known of a partition."""

SCRIPT = Script("consolidate", shared=("count",))
_COUNTED, _SEALED, _AHEAD = 1, 3, 4


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition has been counted in one bucket."""

    next: int
    """Offset"""
    time: int = 0
    """The highest append time before it, in milliseconds"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Events of one partition, one bucket and one minute, that are to be counted next; at most 1,000."""

    bucket: Bucket
    partition: int
    start: int
    end: int
    """The offset after the last"""
    time: int
    """The highest append time before `end`, in milliseconds"""
    minute: Minute
    ids: Sequence[Id]

    @property
    def keys(self) -> tuple[str, ...]:
        """KEYS of consolidate.lua, in its order."""
        bucket, minute = self.bucket, self.minute
        names = (bucket.pending, bucket.ids(minute), bucket.stats(minute), bucket.prefix(minute))
        return (bucket.sealed, bucket.requests, *names, bucket.layout)

    @property
    def args(self) -> tuple[str | int, ...]:
        """ARGV of consolidate.lua, in its order."""
        ids = " ".join(map(str, self.ids))
        counted = (self.partition, self.start, self.end, self.time, ids)
        return (str(self.minute), *counted, self.bucket.count)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A claim that was not counted: what it claims is not next, or there is another reason."""

    claim: Claim
    sealed: Minute | None = None
    """Its minute is sealed already, as all are up to this one"""
    is_ahead: bool = False
    """Redis is short of memory, and other partitions are further behind"""


class Progress:
    """That of the counters it `know`s. `client` must return bytes, not str; it may repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self.buckets: Sequence[Bucket] = ()
        self.know([DEFAULT])

    @property
    def counters(self) -> tuple[str, ...]:
        """Those that are known, the default one first."""
        return keys.counters_of(self.buckets)

    def know(self, counters: Sequence[str]) -> None:
        """From now on it is about these, the default one first."""
        self.buckets = keys.places(settings.REDIS_BUCKETS, tuple(counters))

    def positions(self) -> dict[int, list[Position]]:
        """By partition: its position in each bucket, where it has one in all of them. Raises Garbled."""
        return {
            partition: list(positions.values())
            for partition, positions in self._found(self.buckets).items()
            if len(positions) == len(self.buckets)
        }

    def begin(self, partition: int, offset: int) -> None:
        """Have the partition counted from `offset` on, in each bucket in which it has not begun."""
        self._begin(self.buckets, {partition: Position(offset)})

    def begin_counter(self, counter: str) -> None:
        """Have a new counter's events counted from where the default one stands: none is before that."""
        default = keys.buckets(settings.REDIS_BUCKETS)
        starts = {
            partition: min(positions.values(), key=lambda position: position.next)
            for partition, positions in self._found(default).items()
            if len(positions) == len(default)
        }
        self._begin(keys.buckets(settings.REDIS_BUCKETS, counter), starts)

    def _begin(self, buckets: Sequence[Bucket], starts: Mapping[int, Position]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for partition, start in starts.items():
                for bucket in buckets:
                    pipe.hsetnx(bucket.requests, f"{partition}:next", str(start.next))
                    if start.time:
                        pipe.hsetnx(bucket.requests, f"{partition}:time", str(start.time))
            pipe.execute()

    def _found(self, buckets: Sequence[Bucket]) -> dict[int, dict[Bucket, Position]]:
        """By partition: its position in those of the buckets in which it has one."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in buckets:
                pipe.hgetall(bucket.requests)
            replies = cast("list[dict[bytes, bytes]]", pipe.execute())
        found: dict[int, dict[Bucket, Position]] = defaultdict(dict)
        for bucket, reply in zip(buckets, replies, strict=True):
            try:
                for partition, position in _positions(reply):
                    found[partition][bucket] = position
            except ValueError as error:
                raise Garbled(bucket.requests, str(error)) from None
        return dict(sorted(found.items()))

    def skip(self, partition: int, offset: int) -> None:
        """Go on at `offset`, whatever is before it: by the word of an operator, who knows that it is lost."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in self.buckets:
                pipe.hset(bucket.requests, f"{partition}:next", str(offset))
            pipe.execute()

    def count(self, claims: Sequence[Claim]) -> list[Refusal]:
        """Count the claims, in order; those that could not be.

        Raises RedisError, after which some may have been counted: `positions` tells. To claim anything again
        is safe.
        """
        routes: dict[redis.Redis, list[Claim]] = defaultdict(list)
        try:
            for claim in claims:
                routes[master_of(self._redis, claim.bucket.requests)].append(claim)
            return [refusal for node, of_node in routes.items() for refusal in _count(node, of_node)]
        except RedisError:
            with suppress(RedisError):
                refresh(self._redis)
            raise


def _positions(progress: dict[bytes, bytes]) -> Iterator[tuple[int, Position]]:
    for field, value in progress.items():
        partition, _, what = field.partition(b":")
        if what == b"next":
            time = progress.get(b"%b:time" % partition, 0)
            yield int(partition), Position(int(value), int(time))


def _count(node: redis.Redis, claims: Sequence[Claim]) -> Iterator[Refusal]:
    try:
        replies = _send(node, claims)
    except NoScriptError:
        node.script_load(SCRIPT.text)
        replies = _send(node, claims)
    for claim, (status, *rest) in zip(claims, replies, strict=True):
        if status == _SEALED:
            yield Refusal(claim, sealed=Minute.parse(cast("bytes", rest[0])))
        elif status != _COUNTED:
            yield Refusal(claim, is_ahead=status == _AHEAD)


def _send(node: redis.Redis, claims: Sequence[Claim]) -> list[list[int | bytes]]:
    with node.pipeline(transaction=False) as pipe:
        for claim in claims:
            pipe.evalsha(SCRIPT.sha, len(claim.keys), *claim.keys, *claim.args)
        return cast("list[list[int | bytes]]", pipe.execute())


def counted_to(positions: Sequence[Position], begin: int = 0) -> int:
    """The offset before which a partition is counted, in all buckets; `begin`, if it was never counted."""
    return min((position.next for position in positions), default=begin)


def closed_minute(positions: list[Position] | None) -> Minute:
    """The last minute that a partition has been counted past the end of, in all buckets."""
    return Minute.at_milliseconds(min(position.time for position in positions)) - 1 if positions else NEVER
