"""FlushLog: the last runs of the flush, for people. Nothing depends on it."""

from dataclasses import dataclass

import redis

from counter.journal.recent import Recent
from counter.store import keys

KEPT = 20
"""Runs; those that found nothing to do are not noted."""

MAX_ERROR = 500
"""Characters."""


@dataclass(frozen=True, slots=True)
class FlushRun:
    """One that has published something, or could not."""

    began_at: float
    """Unix seconds, by the worker's clock"""
    seconds: float
    outcome: str
    """`published`, `halted` or `failed`"""
    minutes: int = 0
    last: str = ""
    """The last minute that it published"""
    attempts: int = 0
    """The most transactions that one of them took"""
    error: str = ""


class FlushLog:
    """See the module. `client` must return bytes, not str; it may repeat commands. Raises RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._recent = Recent(client, keys.FLUSHES, FlushRun, KEPT)

    def note(self, run: FlushRun) -> None:
        """Add it; the oldest goes."""
        self._recent.note(run)

    def last(self, number: int) -> list[FlushRun]:
        """The newest first. Those of another version that can't be read are left out."""
        return [run for run, _ in self._recent.last(number)]
