"""Clients of Redis: one place for their time limits and for who repeats what."""

from typing import cast

import redis
from django.conf import settings
from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

TIMEOUT_SECONDS = 5.0
"""For the flush and for people, who would rather wait than fail."""

ACCEPT_TIMEOUT_SECONDS = 0.4
"""For one try of an accept: half its deadline, so that a hung connection leaves time for another one."""

CONSOLE_TIMEOUT_SECONDS = 1.0
"""For a page that refreshes itself every other second."""

HEALTH_CHECK_SECONDS = 15
RETRIES = 3


def connect() -> redis.Redis:
    """A blocking client, for reading and for idempotent writes: it repeats what a lost connection cut off."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        **settings.REDIS_TLS,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=HEALTH_CHECK_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), RETRIES),
    )


def connect_for_accept() -> redis.Redis:
    """A blocking client that never repeats a command: counting again is decided by the batch alone."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        **settings.REDIS_TLS,
        socket_timeout=ACCEPT_TIMEOUT_SECONDS,
        socket_connect_timeout=ACCEPT_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def connect_async() -> Connection:
    """One bare connection for the hot path, made at the first command and made anew after an error.

    It never repeats a command, and sets no time limit of its own: the caller does. A client with a pool
    around it would cost more than the batch.
    """
    pool = ConnectionPool.from_url(
        settings.REDIS_URL,
        **settings.REDIS_TLS,
        socket_timeout=None,
        socket_connect_timeout=ACCEPT_TIMEOUT_SECONDS,
        retry=AsyncRetry(NoBackoff(), 0),
    )
    return cast("Connection", pool.make_connection())  # type: ignore[no-untyped-call]


def connect_for_console() -> redis.Redis:
    """A blocking client that soon says that Redis is away: a page waits for it, and asks again by itself."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        **settings.REDIS_TLS,
        socket_timeout=CONSOLE_TIMEOUT_SECONDS,
        socket_connect_timeout=CONSOLE_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),  # a connection from before a restart of Redis is no news
    )
