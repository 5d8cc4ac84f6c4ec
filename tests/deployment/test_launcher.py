"""`bin/tally` starts each program; what Compose and Kubernetes ask of a worker is answered."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from counter.store.counts import CountStore
from embedded.ports import free_port
from project.environment import Environment
from tests.support.processes import LAUNCHER, Process, run, wait_until
from tests.support.tally.flushing import accept, next_minute


@pytest.fixture
def worker(tmp_path: Path, store: CountStore, kafka: None) -> Iterator[tuple[Process, str]]:
    """A worker that has a minute to publish, and where it tells its metrics."""
    accept(store, 1, 2, 3)
    next_minute(store)
    port = free_port()
    env = {
        "METRICS_PORT": str(port),
        # Where nobody else counts, as in a container.
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }
    process = Process([str(LAUNCHER), "worker"], tmp_path / "worker.log", env)
    with run(process):
        wait_until(lambda: " ready." in process.output, "the worker is ready")
        yield process, f"http://127.0.0.1:{port}/metrics"


def test_a_worker_tells_what_its_children_count(worker: tuple[Process, str]) -> None:
    _, url = worker

    wait_until(
        lambda: 'tally_published_ids_total{counter=""} 3.0' in told(url), "the flush of the start is told"
    )
    assert "tally_redis_up 1.0" in told(url)


def told(url: str) -> str:
    try:
        return httpx.get(url, timeout=5).text
    except httpx.HTTPError:
        return ""  # it is about to listen


def test_a_worker_answers_by_its_name(worker: tuple[Process, str]) -> None:
    process, _ = worker
    assert answers("flush") == 0
    process.stop()
    assert answers("flush") != 0


def answers(name: str) -> int:
    """The exit status of the question."""
    return subprocess.run([LAUNCHER, "answers", name], capture_output=True, check=False).returncode


def test_any_other_word_is_a_command_of_manage_py(tmp_path: Path) -> None:
    done = subprocess.run(
        [LAUNCHER, "check", "--tag", "models"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "no issues" in done.stdout


def test_a_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "word").write_text("sesame\n")
    monkeypatch.setenv("OPEN_FILE", str(tmp_path / "word"))
    assert Environment().str("OPEN") == "sesame"
