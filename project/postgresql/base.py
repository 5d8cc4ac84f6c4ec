"""The module that Django looks for in a backend."""

import math
from typing import Any

from django.db.backends.postgresql import base

from counter import time_limit
from project.postgresql import driver


class DatabaseWrapper(base.DatabaseWrapper):
    """Has the server keep the limits, too: what nobody waits for any more must not pile up behind a lock."""

    Database = driver

    def get_connection_params(self) -> dict[str, Any]:
        """Of a connection that is made now."""
        params: dict[str, Any] = super().get_connection_params()
        seconds = time_limit.left()
        if seconds == math.inf:
            return params
        limit = max(1, int(seconds * 1000))
        limits = f"-c statement_timeout={limit} -c lock_timeout={limit}"
        return params | {"options": f"{params.get('options', '')} {limits}".lstrip()}
