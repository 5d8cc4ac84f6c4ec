"""Beat: RedBeat's scheduler, which also says who leads, and mends what it needs to tick."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import structlog
from django.conf import settings
from redbeat import RedBeatScheduler, RedBeatSchedulerEntry
from redbeat.schedulers import get_redis
from redis.exceptions import NoPermissionError

from counter.store import keys
from counter.task_names import CALLBACK_QUEUES, FLUSH_QUEUE

logger = structlog.get_logger(__name__)

QUEUES = (FLUSH_QUEUE, *CALLBACK_QUEUES)
CELERYS = {
    **dict.fromkeys(QUEUES, "list"),
    **{f"_kombu.binding.{queue}": "set" for queue in QUEUES},
    "unacked": "hash",
    "unacked_index": "zset",
}
"""What Celery keeps in Redis, and its type: without it no message gets through."""

FOR_EVER = -1
"""What TTL says of a key that never runs out."""


class Scheduler(RedBeatScheduler):  # type: ignore[misc]  # it has no types
    """Only the one that holds RedBeat's lock ever ticks."""

    name = f"{socket.gethostname()}, process {os.getpid()}"

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Every few seconds: what is due. For people, the leader's name too, for as long as its lock."""
        get_redis(self.app).set(keys.BEAT, self.name, ex=settings.REDBEAT_LOCK_SECONDS)
        self._mend()
        self._forget_the_future()
        return float(super().tick(*args, **kwargs))

    def setup_schedule(self) -> None:
        """Before the lock is waited for, which nobody would ever let go of if it were not a beat's."""
        self._mend_types()
        if get_redis(self.app).ttl(self.app.redbeat_conf.lock_key) == FOR_EVER:
            self._forget(self.app.redbeat_conf.lock_key)
        super().setup_schedule()

    def _mend(self) -> None:
        """Whatever others have made of it: without these keys nothing would ever be due."""
        self._mend_types()
        if any(self._is_lost(key) for key in self._entries()):
            logger.error("the schedule was lost, and is set up again")
            super().setup_schedule()

    def _mend_types(self) -> None:
        conf = self.app.redbeat_conf
        types = dict.fromkeys(self._entries(), "hash")
        types |= {conf.schedule_key: "zset", conf.statics_key: "set", conf.lock_key: "string"}
        for name, type in (types | CELERYS).items():
            with suppress(NoPermissionError):  # a role of before may not look at all of Celery's
                if get_redis(self.app).type(name) not in (type, "none"):
                    self._forget(name)

    def _entries(self) -> Iterator[str]:
        return (RedBeatSchedulerEntry.generate_key(self.app, name) for name in self.app.conf.beat_schedule)

    def _is_lost(self, key: str) -> bool:
        try:
            RedBeatSchedulerEntry.from_key(key, app=self.app)
        except KeyError:
            return True
        except (ValueError, TypeError, AttributeError):  # whatever its decoder makes of what is there
            self._forget(key)
            return True
        return get_redis(self.app).zscore(self.app.redbeat_conf.schedule_key, key) is None

    def _forget(self, name: str) -> None:
        logger.error("a key of beat's holds something else, and is deleted", key=name)
        get_redis(self.app).delete(name)

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
