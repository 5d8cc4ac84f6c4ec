"""FailedCallbacks: the last callbacks that came to nothing, with the reason, for people to send again.

They are kept in the broker.
"""

import time
from dataclasses import dataclass, field
from uuid import uuid4

import redis

from counter.counters import DEFAULT
from counter.journal.recent import Recent

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
        self._recent = Recent(client, NAME, FailedCallback, KEPT)

    def note(self, failed: FailedCallback) -> None:
        """Add one; the oldest goes."""
        self._recent.note(failed)

    def __len__(self) -> int:
        return len(self._recent)

    def all(self) -> list[FailedCallback]:
        """The newest first."""
        return [failed for failed, _ in self._recent.last()]

    def take(self, id: str) -> FailedCallback | None:
        """Take this one out, to send it again; None where it is gone, or somebody else was faster."""
        found = next(((failed, text) for failed, text in self._recent.last() if failed.id == id), None)
        return found[0] if found and self._recent.remove(found[1]) else None
