"""Beat: RedBeat's scheduler, which also says who leads."""

import os
import socket
from contextlib import suppress
from typing import Any

from django.conf import settings
from redbeat import RedBeatScheduler, RedBeatSchedulerEntry
from redbeat.schedulers import get_redis

from counter.store import keys


class Scheduler(RedBeatScheduler):  # type: ignore[misc]  # it has no types
    """Only the one that holds RedBeat's lock ever ticks."""

    name = f"{socket.gethostname()}, process {os.getpid()}"

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Every few seconds: what is due. For people, the leader's name too, for as long as its lock."""
        get_redis(self.app).set(keys.BEAT, self.name, ex=settings.REDBEAT_LOCK_SECONDS)
        self._forget_the_future()
        return float(super().tick(*args, **kwargs))

    def _forget_the_future(self) -> None:
        """Where the clock was ahead and came back, nothing would be due until it is there again."""
        now = self.app.now()
        for name in self.app.conf.beat_schedule:
            with suppress(KeyError):  # it is not in Redis yet
                entry = RedBeatSchedulerEntry.from_key(
                    RedBeatSchedulerEntry.generate_key(self.app, name), app=self.app
                )
                if entry.last_run_at and entry.last_run_at > now:
                    entry.reschedule(now)
