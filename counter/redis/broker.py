"""Broker: Celery's messages, for what somebody waits for. Celery itself would rather wait than fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import redis
from celery import current_app
from kombu import Connection

from counter.redis.clients import PAGE_TIMEOUT_SECONDS, connect_to_broker


@cache
def broker() -> redis.Redis:
    """The client of this process. It returns bytes."""
    return connect_to_broker()


@contextmanager
def quick_connection() -> Iterator[Connection]:
    """To send a message, or to ask workers. Raises RedisError or OperationalError, within a second."""
    broker().ping()  # Celery's would be tried several times
    limits = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), PAGE_TIMEOUT_SECONDS)
    with current_app.connection_for_write(transport_options=limits) as connection:
        yield connection


def send(task: str, *args: str, expires: float | None = None) -> None:
    """Have a worker do the task of that name, if it begins within `expires` seconds.

    Tries once. Raises RedisError or OperationalError, within a second.
    """
    with quick_connection() as connection:
        current_app.send_task(task, args=args, connection=connection, expires=expires, retry=False)
