"""The console's client of Redis."""

from functools import cache

import redis

from counter.redis.clients import connect_for_console


@cache
def client() -> redis.Redis:
    """The one of this process."""
    return connect_for_console()
