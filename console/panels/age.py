"""How long ago something was, in words."""

import time
from datetime import datetime

from counter.minute import SECONDS


def ago(moment: datetime) -> str:
    """Seconds below two minutes, minutes above."""
    seconds = max(0.0, time.time() - moment.timestamp())
    return f"{seconds:.0f} s ago" if seconds < 2 * SECONDS else f"{seconds / SECONDS:.0f} min ago"
