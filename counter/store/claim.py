"""Claims: events that are to be counted next, and the script that counts them, once, whoever claims them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import redis
from redis.exceptions import NoScriptError, RedisError

from counter.ids import Id
from counter.minute import Minute
from counter.redis.clients import master_of, refresh
from counter.store.keys import Bucket
from counter.store.script import Script

SCRIPT = Script("consolidate", shared=("count",))
_COUNTED, _SEALED, _AHEAD = 1, 3, 4


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


def count_claims(client: redis.Redis, claims: Sequence[Claim]) -> list[Refusal]:
    """Count the claims, in order; those that could not be.

    `client` must return bytes; it may repeat commands. Raises RedisError, after which some may have been
    counted: `Progress.positions` tells. To claim anything again is safe.
    """
    routes: dict[redis.Redis, list[Claim]] = defaultdict(list)
    try:
        for claim in claims:
            routes[master_of(client, claim.bucket.requests)].append(claim)
        return [refusal for node, of_node in routes.items() for refusal in _count(node, of_node)]
    except RedisError:
        with suppress(RedisError):
            refresh(client)
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
