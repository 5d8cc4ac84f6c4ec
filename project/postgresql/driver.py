"""psycopg, whose connections wait for their server no longer than counter/time_limit.py allows.

The limits that the server keeps are of no use where the server itself is stopped.
"""

from collections.abc import Generator
from typing import Any, Self, TypeVar

import psycopg
from psycopg import *  # noqa: F403  (all that Django wants of its driver)

from counter import time_limit

T = TypeVar("T")


class GaveUp(psycopg.OperationalError):
    """The time was over before the server answered."""


class LimitedConnection(psycopg.Connection[Any]):
    """Of no more use once it has given up."""

    @classmethod
    def _connect_gen(cls, *args: Any, **options: Any) -> Generator[Any, Any, Self]:
        return (yield from _limited(super()._connect_gen(*args, **options)))

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
        """Until the generator has come to its end, or the time is over."""
        try:
            return super().wait(_limited(gen), *args, **options)
        except GaveUp:
            self.pgconn.finish()
            raise


connect = LimitedConnection.connect


def _limited(gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """What psycopg waits for; it is sent nothing several times a second while its socket is silent."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and not time_limit.left():
                raise GaveUp("the database did not answer in time")
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
