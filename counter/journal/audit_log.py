"""AuditLog: how far a minute that is counted again has come, and what was found, for people to follow.

It is kept in the broker, for a day. One minute at a time is counted again.
"""

import time
from dataclasses import dataclass, field
from typing import cast

import msgspec
import redis

PREFIX = "tally.audit"
LOCK = f"{PREFIX}.lock"
LOCK_SECONDS = 120
"""Without a sign of life, after which another one may begin."""

KEEP_SECONDS = 24 * 3600
SHOWN = 50
"""Differences that are kept: who has more needs no more to see that all is wrong."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is not the same: of a counter's minute as a whole, or of one id."""

    counter: str
    what: str
    """`unique`, `total`, or the id"""
    counted: int
    published: int


@dataclass(frozen=True, slots=True)
class AuditRun:
    """One minute, as far as it has come."""

    minute: str
    state: str
    """`counting`, `same`, `different`, or `unknown`, which `why` explains"""
    read: int = 0
    events: int = 0
    """About so many there are to read"""
    found: list[Found] = field(default_factory=list)
    """The first SHOWN of them"""
    why: str = ""
    at: float = field(default_factory=time.time)
    """Unix seconds"""


class AuditLog:
    """See the module. `client` is the broker's; it must return bytes. Raises RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def lock(self, minute: str) -> bool:
        """Whether this one may begin: none other is under way."""
        return bool(self._client.set(LOCK, minute, nx=True, ex=LOCK_SECONDS))

    def under_way(self) -> str:
        """The minute that is counted again now; empty where none is."""
        return (cast("bytes | None", self._client.get(LOCK)) or b"").decode()

    def note(self, run: AuditRun) -> None:
        """This is how far it has come. Holds the lock while it counts, and lets go of it at the end."""
        with self._client.pipeline() as pipe:
            pipe.set(f"{PREFIX}.{run.minute}", msgspec.json.encode(run), ex=KEEP_SECONDS)
            if run.state == "counting":
                pipe.set(LOCK, run.minute, ex=LOCK_SECONDS)
            else:
                pipe.delete(LOCK)
            pipe.execute()

    def get(self, minute: str) -> AuditRun | None:
        """The last run; None where there is none, or another version noted it."""
        text = cast("bytes | None", self._client.get(f"{PREFIX}.{minute}"))
        try:
            return msgspec.json.decode(text, type=AuditRun) if text else None
        except msgspec.DecodeError:
            return None
