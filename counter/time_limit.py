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

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What waits for the database in this block is given up after so many seconds, with one of AWAY."""
    token = _deadline.set(min(_deadline.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(token)


def left() -> float:
    """Seconds, not below zero; `inf` where there is no limit."""
    return max(0.0, _deadline.get() - time.monotonic())
