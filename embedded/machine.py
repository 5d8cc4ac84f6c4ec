"""What this machine, or the container that it looks like from inside, has."""

import os
from pathlib import Path

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of a container's memory, as Linux tells it; `max` is none."""


def memory() -> int:
    """Its bytes of memory."""
    all = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [path.read_text().strip() for path in LIMITS if path.exists()]
    return min([all, *(int(limit) for limit in limits if limit.isdecimal())])
