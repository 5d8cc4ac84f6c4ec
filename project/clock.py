"""Redis's clock, for what one host writes into a message and another one reads: when it is due or stale."""

import math
import time
from contextlib import suppress
from datetime import UTC, datetime

from redis.exceptions import RedisError

from counter.redis.clients import connect_for_console, masters

FRESH_SECONDS = 10.0
"""So long it is carried on by this host, which may be wrong about the time, but not about how it passes."""


class RedisClock:
    """The clock that decides which minute it is. While Redis has never answered, it is this host's own."""

    def __init__(self) -> None:
        self._client = connect_for_console()
        self._ahead: float | None = None
        """Of this host's monotonic clock, in seconds"""
        self._asked = -math.inf

    def now(self) -> datetime:
        """The time in UTC by Redis's clock; by this host's while Redis has never answered."""
        if time.monotonic() - self._asked > FRESH_SECONDS:
            with suppress(RedisError):
                self._ahead = self._ask() - time.monotonic()
            self._asked = time.monotonic()
        seconds = time.time() if self._ahead is None else self._ahead + time.monotonic()
        return datetime.fromtimestamp(seconds, UTC)

    def _ask(self) -> float:
        """Of several nodes it is the first one's: those of a healthy cluster agree."""
        seconds, microseconds = masters(self._client)[0].time()
        return float(seconds) + float(microseconds) / 1e6
