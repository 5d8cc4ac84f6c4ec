"""Beat: RedBeat's scheduler, which also says who leads."""

import os
import socket
from typing import Any

from django.conf import settings
from redbeat import RedBeatScheduler
from redbeat.schedulers import get_redis

from counter import keys


class Scheduler(RedBeatScheduler):  # type: ignore[misc]  # it has no types
    """Only the one that holds RedBeat's lock ever ticks."""

    name = f"{socket.gethostname()}, process {os.getpid()}"

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Every few seconds: what is due. For people, the leader's name too, for as long as its lock."""
        get_redis(self.app).set(keys.BEAT, self.name, ex=settings.REDBEAT_LOCK_SECONDS)
        return float(super().tick(*args, **kwargs))
