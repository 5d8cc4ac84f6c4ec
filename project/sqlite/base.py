"""The module that Django looks for in a backend."""

import sqlite3
from typing import Any

from django.db.backends.sqlite3 import base

from counter import time_limit

DEFAULT_SECONDS = 5.0
"""For a lock that another process holds, where nothing else is said: sqlite3's own."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Waits for a lock as long as there is time left, and for none when there is no more."""

    def create_cursor(self, name: str | None = None) -> Any:
        """For each query."""
        milliseconds = int(1000 * min(time_limit.left(), DEFAULT_SECONDS))
        if not milliseconds:
            raise sqlite3.OperationalError("the database did not answer in time")
        self.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
        return super().create_cursor(name)
