"""Pace: how fast events come and are counted, by two looks of this process, some seconds apart."""

import time
from dataclasses import dataclass

from django.core.cache import cache as memory

KEY = "console.pace"
APART_SECONDS = 2.0
"""At least, or what is measured is chance."""

REMEMBER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Pace:
    """Events a second."""

    appended: float
    counted: float

    def drained_in(self, waiting: int) -> float | None:
        """Seconds until nothing waits; None where more come than are counted."""
        gain = self.counted - self.appended
        return waiting / gain if gain > 0 else None


def pace(appended: int, counted: int) -> Pace | None:
    """Since the look before, where there have been so many events in all; None at the first look."""
    now = time.monotonic()
    before: tuple[float, int, int] | None = memory.get(KEY)
    if before is None or now - before[0] >= APART_SECONDS:
        memory.set(KEY, (now, appended, counted), REMEMBER_SECONDS)
    if before is None or (seconds := now - before[0]) < APART_SECONDS:
        return None
    return Pace((appended - before[1]) / seconds, (counted - before[2]) / seconds)
