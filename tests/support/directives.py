"""Directives of a running Valkey that a test bends."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis


@contextmanager
def configured(client: redis.Redis, directive: str, value: str | int) -> Iterator[None]:
    """It is so for the time of the block, and then as before."""
    before = client.config_get(directive)[directive]
    client.config_set(directive, value)
    try:
        yield
    finally:
        client.config_set(directive, before or "")


def used_memory(client: redis.Redis) -> int:
    """In bytes: what `maxmemory` limits."""
    return int(client.info("memory")["used_memory"])
