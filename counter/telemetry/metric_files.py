"""Adding up the files in which processes count: whatever is in the folder, what can be read is told."""

import os
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, struct.error)
"""What prometheus_client raises for a file that is not one of its own, or is damaged."""

_pid_of_live = re.compile(r"gauge_live[a-z]*_([1-9][0-9]{0,8})\.db").fullmatch


class FilesCollector(Collector):
    """All that the processes of this machine have counted, and how many files are left out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is depends on the files."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read them once."""
        forget_the_dead(self._folder)
        files, unreadable = readable(self._folder)
        try:
            yield from MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        except UNREADABLE:  # one went meanwhile: the next scrape has the rest
            unreadable += 1
        yield GaugeMetricFamily(
            "tally_metrics_unreadable_files", "Files in the metrics folder that are left out", unreadable
        )


def forget_the_dead(folder: Path) -> None:
    """Gauges of processes that are no more say nothing; what those have counted stays."""
    for file in folder.glob("gauge_live*.db"):
        if (found := _pid_of_live(file.name)) and not _runs(int(found[1])):
            with suppress(OSError):
                file.unlink()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it runs as another user
        pass
    return True


def readable(folder: Path) -> tuple[list[str], int]:
    """The files that can be read, and how many there are that can't."""
    found = list(folder.glob("*.db"))
    files = [str(file) for file in found if _is_readable(file)]
    return files, len(found) - len(files)


def _is_readable(file: Path) -> bool:
    try:
        if not file.is_file() or _used(file) < 0:
            return False
        MultiProcessCollector.merge([str(file)])  # type: ignore[no-untyped-call]
    except UNREADABLE:
        return False
    return True


def _used(file: Path) -> int:
    """How many bytes are in use, as the first four say: prometheus_client takes less than none for none."""
    with file.open("rb") as opened:
        return int.from_bytes(opened.read(4), sys.byteorder, signed=True)
