"""Wrong clocks: what a process needs in its environment to have one."""

from pathlib import Path

from tests.support.needs import program
from tests.support.processes import ROOT


def of_file(file: Path) -> dict[str, str]:
    """So far from the true time as the file says, at any moment: `+0`, `-5m`, `+1d`."""
    return _preload("libfaketime.so.1") | {"FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}


def skewed(by: str) -> dict[str, str]:
    """So far from the true time: `-2h`, `+1d`."""
    return _preload("libfaketimeMT.so.1") | {"FAKETIME": by, "PYTHONPATH": str(ROOT / "tests/support/skewed")}


def _preload(library: str) -> dict[str, str]:
    program("faketime", "faketime")
    path = next(Path("/usr/lib").glob(f"*/faketime/{library}"))
    return {"LD_PRELOAD": str(path), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
