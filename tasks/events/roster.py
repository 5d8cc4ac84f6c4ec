"""The roster: the counters that events are counted for. It grows while a consolidator runs."""

import time
from collections.abc import Collection

import redis
from django.conf import settings

from counter.store.offsets import Progress
from counter.store.opening import open_counter
from counter.store.registry import registered

LOOK_SECONDS = 1.0
"""Between two looks for counters that others have opened: until all count for one, no minute is over."""


class Roster:
    """Has `progress` know all counters, each of which is opened before. For one thread; `client` is Redis."""

    def __init__(self, client: redis.Redis, progress: Progress) -> None:
        self._client = client
        self._progress = progress
        self._opened: set[str] = set()
        self._next_look = 0.0

    def doubt(self) -> None:
        """Counting failed: somebody may have deleted what makes a counter open."""
        self._opened.clear()
        self._next_look = 0.0

    def grow(self, unknown: Collection[str]) -> bool:
        """Take these in, and now and then those that others have opened; whether there were any.

        Raises RedisError; NotOpened. Then none is taken in.
        """
        if not unknown and time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        known = self._progress.counters
        named = {*known[1:], *unknown, *settings.COUNTERS, *registered(self._client)}
        for counter in sorted(named - self._opened):
            open_counter(self._client, counter)
            self._opened.add(counter)
        new = sorted(named - set(known))
        self._progress.know([*known, *new])
        return bool(new)
