"""What is going on, on standard error: a run is long."""

import sys
import time

_begin = time.monotonic()


def say(what: str) -> None:
    """One line, with the seconds since the start."""
    print(f"{time.monotonic() - _begin:5.0f} s  {what}", file=sys.stderr, flush=True)
