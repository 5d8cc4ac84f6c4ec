"""Moments as the console shows them."""

import time
from datetime import UTC, datetime

from counter.minute import SECONDS
from counter.timestamp import timestamp


def ago(moment: datetime) -> str:
    """How long ago it was: in seconds below two minutes, in minutes above."""
    seconds = max(0.0, time.time() - moment.timestamp())
    return f"{seconds:.0f} s ago" if seconds < 2 * SECONDS else f"{seconds / SECONDS:.0f} min ago"


def clock(moment: datetime) -> str:
    """`2026-11-23T08:02:00.214Z`, or `08:02:00.214Z` where that is today."""
    text = timestamp(moment)
    date, _, time_of_day = text.partition("T")
    return time_of_day if date == datetime.now(UTC).date().isoformat() else text
