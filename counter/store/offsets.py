"""Progress: how far each partition of `requests` has been counted, as it stands in Redis beside the counts.

Every bucket keeps its own progress with each partition, written by the script that counts: so whatever is
lost or comes twice, an event counts once. Kafka's own offsets of the consumer group are for display only.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import redis
from django.conf import settings
from redis.exceptions import NoScriptError, RedisError

from counter.minute import Minute
from counter.store import keys
from counter.store.clients import master_of, refresh
from counter.store.keys import Bucket
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
    ids: Sequence[int]

    @property
    def keys(self) -> tuple[str, ...]:
        """KEYS of consolidate.lua."""
        bucket, minute = self.bucket, self.minute
        names = (bucket.pending, bucket.ids(minute), bucket.stats(minute), bucket.prefix(minute))
        return (bucket.sealed, bucket.requests, *names, bucket.layout)

    @property
    def args(self) -> tuple[str | int, ...]:
        """ARGV of consolidate.lua."""
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
    """See the module. `client` must return bytes, not str; it may repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self.buckets = keys.buckets(settings.REDIS_BUCKETS)

    def positions(self) -> dict[int, list[Position]]:
        """By partition: its position in each bucket, where it has one in all of them."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in self.buckets:
                pipe.hgetall(bucket.requests)
            replies = cast("list[dict[bytes, bytes]]", pipe.execute())
        found: dict[int, list[Position]] = defaultdict(list)
        for reply in replies:
            for field, value in reply.items():
                partition, _, what = field.partition(b":")
                if what == b"next":
                    time = reply.get(b"%b:time" % partition, 0)
                    found[int(partition)].append(Position(int(value), int(time)))
        return {
            partition: positions
            for partition, positions in sorted(found.items())
            if len(positions) == len(self.buckets)
        }

    def begin(self, partition: int, offset: int) -> None:
        """Have the partition counted from `offset` on, unless it has begun already."""
        with self._redis.pipeline(transaction=False) as pipe:
            for bucket in self.buckets:
                pipe.hsetnx(bucket.requests, f"{partition}:next", str(offset))
            pipe.execute()

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


def closed_minute(positions: list[Position] | None) -> Minute:
    """The last minute that a partition has been counted past the end of, in all buckets."""
    return Minute.at_milliseconds(min(position.time for position in positions)) - 1 if positions else NEVER
