"""Room for the files in which processes count what `/metrics` tells.

Each process writes to its own through a map of the file, where a full disk is no error but a signal that
ends it. So room is taken beforehand; where there is none, the process counts where nobody looks, and lives.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

KINDS = ("counter", "histogram", "gauge_livesum")
"""What prometheus_client has a file for, of the metrics that there are."""

BYTES = 1 << 17
"""Of each: twice what it begins with, which all of them fit into."""

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def prepare(folder: str) -> str:
    """Have this process count in `folder`, and what it forks; if there is no room, elsewhere. Says where."""
    os.environ[VARIABLE] = folder
    _reserve()
    os.register_at_fork(after_in_child=_reserve)
    return folder


def _reserve() -> None:
    """For this process. prometheus_client takes a file as it finds it, and looks up the folder each time."""
    folder = Path(os.environ[VARIABLE])
    files = [folder / f"{kind}_{os.getpid()}.db" for kind in KINDS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            _take_room(file)
    except OSError:
        for file in files:
            with suppress(OSError):
                file.unlink()
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="tally-metrics-")


def _take_room(file: Path) -> None:
    with file.open("ab") as opened:
        if not opened.tell() and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(opened.fileno(), 0, BYTES)
