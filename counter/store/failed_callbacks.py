"""FailedCallbacks: the last callbacks that came to nothing, with the reason, for people to send again.

They are kept in the broker.
"""

import time
from dataclasses import dataclass, field
from typing import cast
from uuid import uuid4

import msgspec
import redis

from counter.counters import DEFAULT

NAME = "tally.callbacks.failed"
KEPT = 100
MAX_REASON = 300
"""Characters."""


@dataclass(frozen=True, slots=True)
class FailedCallback:
    """One that was shed, refused, or tried often enough."""

    endpoint: str
    """With what may be its password: it is for sending, not for showing."""
    minute: str
    outcome: str
    reason: str
    counter: str = DEFAULT
    at: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: uuid4().hex)


class FailedCallbacks:
    """See the module. `client` is the broker's; it must return bytes. Raises RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def note(self, failed: FailedCallback) -> None:
        """Add one; the oldest goes."""
        if (length := int(self._client.rpush(NAME, msgspec.json.encode(failed)))) > KEPT:
            self._client.lpop(NAME, length - KEPT)

    def all(self) -> list[FailedCallback]:
        """The newest first."""
        return [failed for text in reversed(self._texts()) if (failed := _read(text))]

    def take(self, id: str) -> FailedCallback | None:
        """Take this one out, to send it again; None where it is gone, or somebody else was faster."""
        for text in self._texts():
            failed = _read(text)
            if failed and failed.id == id:
                return failed if self._client.lrem(NAME, 1, text) else None  # type: ignore[arg-type]  # redis-py: str
        return None

    def _texts(self) -> list[bytes]:
        return cast("list[bytes]", self._client.lrange(NAME, 0, -1))


def _read(text: bytes) -> FailedCallback | None:
    try:
        return msgspec.json.decode(text, type=FailedCallback)
    except msgspec.DecodeError:
        return None
