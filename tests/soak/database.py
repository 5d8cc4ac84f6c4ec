"""The database of a soak, as the nemesis has it hang."""

import sqlite3
from contextlib import suppress

from django.conf import settings

TAKE_SECONDS = 1.0


class DatabaseLock:
    """Another process's transaction, which lets nobody else read or write."""

    def __init__(self) -> None:
        self._holder: sqlite3.Connection | None = None

    def take(self) -> None:
        """As soon as nobody else writes, if that is soon."""
        path = settings.DATABASES["default"]["NAME"]
        self._holder = sqlite3.connect(path, timeout=TAKE_SECONDS, isolation_level=None)
        with suppress(sqlite3.OperationalError):
            self._holder.execute("BEGIN EXCLUSIVE")

    def release(self) -> None:
        """Nothing has changed."""
        if self._holder:
            self._holder.close()
