"""Lease: the right to be the one flusher."""

from contextlib import suppress
from datetime import timedelta

import redis
from redis.exceptions import LockError, OutOfMemoryError
from redis.lock import Lock

from counter.store import keys

LEASE_SECONDS = 15
"""How long a dead flusher keeps others waiting. A live one extends its lease every few seconds."""

_FOR_EVER = -1
"""What PTTL says of a key that never runs out."""


class LeaseLost(Exception):
    """Another flusher is at work, or may be: stop. A normal event."""


class Lease:
    """A lock that runs out by itself. For efficiency only: what it must not allow, Kafka's fence refuses."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._lock = Lock(client, keys.LOCK, timeout=LEASE_SECONDS, blocking=False, thread_local=False)
        self._held = False

    def take(self) -> bool:
        """Whether the lease is ours now."""
        try:
            self._held = self._lock.acquire() or (self._is_nobodys() and self._lock.acquire())
        except OutOfMemoryError:
            return True  # the flush is what frees memory, and the fence is enough
        return self._held

    def _is_nobodys(self) -> bool:
        """Whether it stood there for ever, and is gone now: a flusher's runs out."""
        return self._redis.pttl(keys.LOCK) == _FOR_EVER and bool(self._redis.delete(keys.LOCK))

    def extend(self) -> None:
        """A whole lease more from now. Raises LeaseLost when it had run out."""
        if not self._held:
            return
        try:
            self._lock.reacquire()
        except LockError as error:
            raise LeaseLost from error

    def is_ours(self) -> bool:
        """Whether it is taken and has not run out."""
        return self._held and self._lock.owned()

    def release(self) -> None:
        """Let the next one in. Having lost it is no error."""
        if self._held:
            with suppress(LockError):
                self._lock.release()

    def remaining(self) -> timedelta:
        """How long the present holder's lease still runs; zero without one."""
        return timedelta(milliseconds=max(0, self._redis.pttl(keys.LOCK)))
