"""Progress: how far each partition of `requests` has been counted, as it stands in Redis beside the counts.

Every bucket of every counter keeps its own progress with each partition, written by the script that counts,
which `counter/store/claim.py` sends: so whatever is lost or comes twice, an event counts once. Kafka's own
offsets of the consumer group are for display only.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

import redis
from django.conf import settings

from counter.counters import DEFAULT
from counter.minute import Minute
from counter.store import keys
from counter.store.keys import Bucket, Garbled
from counter.store.registry import known_buckets

NEVER = Minute(-1)
"""Before every minute: closed while nothing is known of a partition."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition has been counted in one bucket."""

    next: int
    """Offset"""
    time: int = 0
    """The highest append time before it, in milliseconds"""


class Progress:
    """That of some counters. `client` must return bytes, not str; it may repeat commands."""

    def __init__(self, client: redis.Redis, counters: Sequence[str] = (DEFAULT,)) -> None:
        self._redis = client
        self.know(counters)

    @classmethod
    def known(cls, client: redis.Redis) -> Self:
        """That of all counters there are at this moment. Raises Garbled."""
        return cls(client, keys.counters_of(known_buckets(client)))

    @property
    def counters(self) -> tuple[str, ...]:
        """Those that it is about, the default one first."""
        return keys.counters_of(self.buckets)

    def know(self, counters: Sequence[str]) -> None:
        """From now on it is about these, the default one first."""
        self.buckets: Sequence[Bucket] = keys.places(settings.REDIS_BUCKETS, tuple(counters))

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


def _positions(progress: dict[bytes, bytes]) -> Iterator[tuple[int, Position]]:
    for field, value in progress.items():
        partition, _, what = field.partition(b":")
        if what == b"next":
            time = progress.get(b"%b:time" % partition, 0)
            yield int(partition), Position(int(value), int(time))


def counted_to(positions: Sequence[Position], begin: int = 0) -> int:
    """The offset before which a partition is counted, in all buckets; `begin`, if it was never counted."""
    return min((position.next for position in positions), default=begin)


def closed_minute(positions: list[Position] | None) -> Minute:
    """The last minute that a partition has been counted past the end of, in all buckets."""
    return Minute.at_milliseconds(min(position.time for position in positions)) - 1 if positions else NEVER


def event_buckets(client: redis.Redis) -> list[Bucket]:
    """Those that events are counted in: minutes wait for them. Raises Garbled."""
    known = known_buckets(client)
    with client.pipeline(transaction=False) as pipe:
        for bucket in known:
            pipe.exists(bucket.requests)
        found = pipe.execute()
    return [bucket for bucket, exists in zip(known, found, strict=True) if exists]


def forget_events(client: redis.Redis) -> None:
    """That there ever were any: minutes end by Redis's clock alone again."""
    with client.pipeline(transaction=False) as pipe:
        for bucket in known_buckets(client):
            pipe.delete(bucket.requests)
        pipe.execute()
