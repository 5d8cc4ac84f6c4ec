"""Time limit: how long what runs now may wait for the database, altogether.

The history and the accounts are for people. A database that hangs must hold up neither publishing nor a page,
so whoever waits for it on their behalf does so within a limit. What is run by hand has none.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import InterfaceError, OperationalError

AWAY = (OperationalError, InterfaceError)
"""What Django raises where the database does not answer in time, refuses, or is gone."""


class _Limit:
    """Shared by all that works for one request, in whatever thread."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What waits for the database in this block is given up after so many seconds, with one of AWAY."""
    token = _limit.set(_Limit(time.monotonic() + min(seconds, left())))
    try:
        yield
    finally:
        _limit.reset(token)


@contextmanager
def paused() -> Iterator[None]:
    """What is done in this block is no waiting for the database, and takes none of its time."""
    begin = time.monotonic()
    try:
        yield
    finally:
        if limit := _limit.get():
            limit.deadline += time.monotonic() - begin


def left() -> float:
    """Seconds, not below zero; `inf` where there is no limit."""
    limit = _limit.get()
    return max(0.0, limit.deadline - time.monotonic()) if limit else math.inf
