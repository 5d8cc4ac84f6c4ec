"""Held: writes that a failover can't take back, where ACCEPT_REPLICAS asks for that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from django.conf import settings
from redis.client import Pipeline
from redis.exceptions import TimeoutError as RedisTimeoutError

HOLD_MILLISECONDS = 2000
"""How long one write waits for the replicas, twice at most; whoever writes tries again later."""


@contextmanager
def replicated(node: redis.Redis) -> Iterator[Pipeline]:
    """Writes for this server, sent at the end of the block; then enough replicas have them on disk.

    They also have all that was written there before. Raises RedisError where they do not, or where it is not
    known: the same writes may be sent again.
    """
    replicas = settings.ACCEPT_REPLICAS
    with node.pipeline(transaction=False) as pipe:
        yield pipe
        if replicas:
            pipe.wait(replicas, HOLD_MILLISECONDS)
            pipe.waitaof(1, replicas, HOLD_MILLISECONDS)
        *_, last = pipe.execute()
    if replicas and (missing := unreplicated(last)):
        raise missing


def unreplicated(reply: Any) -> Exception | None:
    """None where WAITAOF says that enough replicas have on disk what was written; else what is missing."""
    if isinstance(reply, Exception):
        return reply
    primary, replicas = reply
    if primary and replicas >= settings.ACCEPT_REPLICAS:
        return None
    return RedisTimeoutError(f"{replicas} replicas hold it, not {settings.ACCEPT_REPLICAS}")
