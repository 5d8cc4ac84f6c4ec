"""The module that Django looks for in a backend."""

from typing import Any

from django.db.backends.sqlite3 import base

from counter import time_limit

DEFAULT_SECONDS = 5.0
"""For a lock that another process holds, where nothing else is said: sqlite3's own."""

LEAST_SECONDS = 0.05
"""When no time is left: it may have gone elsewhere, and nobody may hold a lock."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Waits for a lock as long as there is time left."""

    def create_cursor(self, name: str | None = None) -> Any:
        """For each query."""
        seconds = min(max(time_limit.left(), LEAST_SECONDS), DEFAULT_SECONDS)
        self.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        return super().create_cursor(name)
