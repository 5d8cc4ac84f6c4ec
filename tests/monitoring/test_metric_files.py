"""What is in the metrics folder, or that nothing more goes into it, ends neither a scrape nor a process."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from counter.telemetry.metric_files import FilesCollector, forget_the_dead
from tests.support.processes import run_python

COUNT = """
import django; django.setup()
from counter.telemetry import metrics
metrics.observe({"": 3}, 0.1)
"""
ODD = {
    "counter_1.db": b"\xff" * 64,
    "counter_2.db": b"\x10\0\0\0\0\0\0\0\x04\0\0\0null",
    "histogram_3.db": b"x",
    "gauge_live_x.db": b"",
    "gauge_livesum_99999999999999999999.db": b"",
    "odd.db": b"\x20\0\0\0" + bytes(40),
}


def told(folder: Path) -> str:
    registry = CollectorRegistry()
    registry.register(FilesCollector(folder))
    return generate_latest(registry).decode()


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A folder in which a process has counted three calls; its name could be a pattern."""
    folder = tmp_path / "[metrics]*"
    run_python(COUNT, PROMETHEUS_MULTIPROC_DIR=str(folder))
    return folder


def test_all_is_told_and_nothing_left_out(counted: Path) -> None:
    assert 'tally_accepted_calls_total{counter=""} 3.0' in told(counted)
    assert "tally_metrics_unreadable_files 0.0" in told(counted)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_left_out_and_the_rest_is_told(counted: Path, name: str) -> None:
    (counted / name).write_bytes(ODD[name])
    assert 'tally_accepted_calls_total{counter=""} 3.0' in told(counted)


def test_how_many_are_left_out_is_told(counted: Path) -> None:
    for name in ("counter_1.db", "counter_2.db"):
        (counted / name).write_bytes(ODD[name])
    (counted / "folder.db").mkdir()
    os.mkfifo(counted / "pipe.db")
    assert "tally_metrics_unreadable_files 4.0" in told(counted)
    assert 'tally_accepted_calls_total{counter=""} 3.0' in told(counted)


def test_gauges_of_the_dead_are_forgotten(tmp_path: Path) -> None:
    alive, dead = (tmp_path / f"gauge_livesum_{pid}.db" for pid in (os.getpid(), 4_000_000))
    for file in (alive, dead):
        file.touch()
    forget_the_dead(tmp_path)
    assert (alive.exists(), dead.exists()) == (True, False)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk without room."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    (folder / "full").write_bytes(bytes(60_000))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


FORK = """
import os, django; django.setup()
from counter.telemetry import metrics
if pid := os.fork():
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
for number in range(1000):
    metrics.CALLBACKS.labels("2xx").inc()
    metrics.observe({"": number}, 0.1)
"""


@pytest.mark.parametrize("folder", ["full", "nowhere"])
def test_a_folder_without_room_ends_no_process(request: pytest.FixtureRequest, folder: str) -> None:
    path = request.getfixturevalue("full") if folder == "full" else Path("/proc/nowhere")
    run_python(FORK, PROMETHEUS_MULTIPROC_DIR=str(path))
