"""The registry: the named counters that ever counted. A flush publishes them, whatever its COUNTERS are."""

from typing import cast

import redis
from redis.exceptions import ResponseError

from counter.counters import is_name
from counter.store import keys
from counter.store.clients import master_of
from counter.store.keys import Garbled
from counter.store.replication import replicated


def register(client: redis.Redis, counter: str) -> None:
    """Have it there from now on. Raises RedisError."""
    with replicated(master_of(client, keys.COUNTERS)) as pipe:
        pipe.sadd(keys.COUNTERS, counter)


def registered(client: redis.Redis) -> list[str]:
    """Their names, in order. Raises Garbled."""
    try:
        names = cast("set[bytes]", client.smembers(keys.COUNTERS))
    except ResponseError as error:
        raise Garbled(keys.COUNTERS, str(error)) from error
    found = sorted(name.decode(errors="replace") for name in names)
    if wrong := [name for name in found if not is_name(name)]:
        raise Garbled(keys.COUNTERS, wrong[0])
    return found
