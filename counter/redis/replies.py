"""Replies: the errors that Redis answers with, and redis-py raises, sorted by what may cure them.

An address may come to lead elsewhere, as a virtual one does after a failover, while connections to the server
of before stay open. So whatever a new connection may cure ends the one that it came over, in every client.
"""

from redis._parsers.base import BaseParser
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    InvalidResponse,
    NoPermissionError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

NOT_HERE = (
    "READONLY",  # a replica
    "MASTERDOWN",  # a replica that has lost its master
    "NOREPLICAS",  # fewer replicas than it needs for a write
    "MISCONF",  # it can't write to its disk
    "BUSY",  # another client's script runs for too long
    "UNBLOCKED",  # it became a replica while a client waited
    "DENIED",  # it is in protected mode
)
"""Codes of the replies that say "not here, not now". LOADING, NOAUTH, WRONGPASS and too many clients are lost
connections for redis-py itself."""


class NotHere(ConnectionError):
    """The server that answers is not the one that it takes: it did nothing."""

    def __str__(self) -> str:
        return f"{self.status_code} {super().__str__()}"


HANG_UP = (
    ConnectionError,
    RedisTimeoutError,
    TimeoutError,
    InvalidResponse,
    ClusterDownError,
    NoPermissionError,  # not a NotHere: what redis-py says when it connects may be forbidden without harm
)
"""A new connection may cure these."""

REPEATABLE = (
    *HANG_UP,
    AskError,  # also MovedError: the bucket is with another node, or on its way there
    TryAgainError,
)
"""After these the batch may or may not have been counted, or Redis will soon be able to: send it again.
Any other error is an answer, and it was not counted."""


def sort() -> None:
    """Have every client of this process, Celery's and RedBeat's too, take NOT_HERE for a lost connection."""
    BaseParser.EXCEPTION_CLASSES.update(dict.fromkeys(NOT_HERE, NotHere))
