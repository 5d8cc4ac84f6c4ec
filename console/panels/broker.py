"""Celery's broker, as the panels ask it."""

from collections.abc import Iterator
from contextlib import contextmanager

from celery import current_app
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

AWAY = (OperationalError, RedisError)
"""What is raised while the broker does not answer."""


@contextmanager
def connected() -> Iterator[Connection]:
    """A connection that works. Raises one of AWAY soon: Celery by itself would try for long."""
    with current_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        yield connection
