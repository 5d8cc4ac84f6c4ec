"""Another engine, in a Python of its own that has nothing of Tally, counts the same from the events."""

import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from counter.minute import Minute
from counter.store.counts import CountStore
from tasks.publishing.flush import Flush
from tests.support.processes import HOME, ROOT
from tests.support.requests_topic import Requests, at

EXAMPLE = ROOT / "docs" / "examples" / "quixstreams"
MINUTES, IDS = 5, 300


@pytest.fixture(scope="module")
def python() -> Path:
    """One that has Quix Streams."""
    home = HOME / "quix"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    requirements = str(EXAMPLE / "requirements.txt")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)
    return python


@pytest.mark.slow
@pytest.mark.django_db
def test_quix_streams_counts_what_tally_published(
    kafka: None, settings: Settings, valkey: redis.Redis, store: CountStore, python: Path, tmp_path: Path
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic, first = Requests(), Minute.at(time.time()) - 30
    for n in range(MINUTES):
        for id in range(n, IDS):
            topic.append(id % topic.partitions, at(first + n, 59 * id / IDS), *[id] * (1 + id % 3))
    topic.mark(at(first + MINUTES))
    topic.count(valkey)
    # One minute has a call that no event tells of.
    valkey.incr(f"{first + 3}_7")
    valkey.hincrby(f"tally:stats:{first + 3}", "total", 1)
    assert len(Flush(store.client).run().published) == MINUTES

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, EXAMPLE / program, settings.KAFKA_BOOTSTRAP_SERVERS, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)

    counted = run("count_minutes.py", "--idle", "20")
    assert counted.returncode == 0, counted.stderr
    compared = run("compare_minutes.py")
    sys.stdout.write(compared.stdout)
    lines = compared.stdout.splitlines()
    assert [line.endswith("differs") for line in lines[1:-1]] == [False, False, False, True, False]
    assert (compared.returncode, lines[-1]) == (1, "5 minutes, 1 difference")
