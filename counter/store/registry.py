"""The registry: the named counters that ever counted, and the numbers of buckets that there ever were.

A flush seals, publishes and settles all of them, whatever its own COUNTERS and REDIS_BUCKETS are.
"""

from itertools import chain
from typing import cast

import redis
from django.conf import settings
from redis.exceptions import ResponseError

from counter.counters import DEFAULT, is_name
from counter.redis.clients import is_cluster, master_of
from counter.redis.replication import replicated
from counter.store import keys
from counter.store.keys import Bucket, Garbled


def register(client: redis.Redis, counter: str) -> None:
    """Have it there from now on. Raises RedisError."""
    with replicated(master_of(client, keys.COUNTERS)) as pipe:
        pipe.sadd(keys.COUNTERS, counter)


def registered(client: redis.Redis) -> list[str]:
    """Their names, in order. Raises Garbled."""
    found = sorted(name.decode(errors="replace") for name in _members(client, keys.COUNTERS))
    if wrong := [name for name in found if not is_name(name)]:
        raise Garbled(keys.COUNTERS, wrong[0])
    return found


def known_buckets(client: redis.Redis) -> tuple[Bucket, ...]:
    """All that may hold something now, by counter, the default one first. Raises Garbled.

    One may be added at any time: see `counter.store.sealing`.
    """
    # Without a tag the keys of the one bucket would be on different nodes of a cluster.
    before = [] if is_cluster() else [1]
    counts = {settings.REDIS_BUCKETS, *(_bucket_counts(client) or before)}
    named = sorted({*settings.COUNTERS, *registered(client)})
    every = (keys.places(count, (DEFAULT, *named)) for count in sorted(counts, reverse=True))
    by_place = {(bucket.counter, bucket.tag): bucket for bucket in chain.from_iterable(every)}
    return tuple(by_place[place] for place in sorted(by_place, key=lambda place: place[0]))


def _bucket_counts(client: redis.Redis) -> list[int]:
    try:
        return [int(number) for number in _members(client, keys.BUCKETS)]
    except ValueError as error:
        raise Garbled(keys.BUCKETS, str(error)) from error


def _members(client: redis.Redis, name: str) -> set[bytes]:
    try:
        return cast("set[bytes]", client.smembers(name))
    except ResponseError as error:
        raise Garbled(name, str(error)) from error
