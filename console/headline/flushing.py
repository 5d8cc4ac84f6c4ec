"""Flush now: asking for it, and following what becomes of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from redis import Redis

from console.level import Level
from console.query import number
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis.broker import send
from counter.store.counts import CountStore
from counter.store.lease import Lease
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH

PATIENCE_SECONDS = 20
"""A worker that is there begins within one; Kafka may take some more to answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a flush so far."""

    level: Level
    text: str


def ask(redis: Redis) -> Minute:
    """Send the task; says up to which minute everything is published when it has done its work.

    Raises kombu's OperationalError when the broker does not take it, RedisError when Redis is away.
    """
    store = CountStore.known(redis)
    last = store.present() - 1
    send(FLUSH)
    return last


def follow(redis: Redis, query: Mapping[str, str]) -> Outcome | None:
    """What became of the one asked for at the Unix time `at`, up to the minute `flush`; None without one."""
    try:
        minute = Minute.parse(query.get("flush", ""))
    except ValueError:
        return None
    if (at := number(query, "at")) is None:
        return None
    if PublishedMinute.objects.filter(minute=str(minute)).exists():
        return Outcome(Level.OK, f"Flushed: everything up to {minute.start:%H:%M} is published.")
    if reason := PublishingState(redis).halted():
        return Outcome(Level.BAD, f"The flush stopped: {reason}")
    return _wait(redis, minute, time.time() - at)


def _wait(redis: Redis, minute: Minute, seconds: float) -> Outcome:
    store = CountStore.known(redis)
    if not (store.sealed() or store.pending()):
        return Outcome(Level.OK, "There is nothing to flush: no call was ever accepted.")
    if Lease(redis).remaining():
        return Outcome(Level.WARN, f"A worker is publishing what is closed, up to {minute.start:%H:%M} …")
    if seconds < PATIENCE_SECONDS:
        return Outcome(Level.WARN, "The flush was sent; waiting for a worker …")
    return Outcome(Level.BAD, "The flush did not get through. Look whether a worker and Kafka are there.")
