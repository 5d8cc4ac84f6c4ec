"""What `make` does with .venv when requirements-dev.txt is newer: never empty it under anybody's feet."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Process, run, wait_until


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a .venv of its own that is older than requirements-dev.txt, which needs nothing."""
    folder = tmp_path / "a clone"
    (folder / "ops").mkdir(parents=True)
    for name in ("Makefile", "ops/make-venv"):
        (folder / name).symlink_to(ROOT / name)
    venv.create(folder / ".venv", symlinks=True)
    (folder / ".venv" / "kept").touch()
    (folder / "requirements-dev.txt").write_text("")
    return folder


def make(clone: Path) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(clone), ".venv/installed"]
    env = os.environ | {"PIP_NO_INDEX": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def is_kept(clone: Path) -> bool:
    return (clone / ".venv" / "kept").exists()


def test_a_new_one_takes_the_place_of_an_old_one(clone: Path) -> None:
    done = make(clone)
    assert done.returncode == 0, done.stderr
    assert not is_kept(clone)
    said = subprocess.run(
        [clone / ".venv" / "bin" / "pip", "--version"], capture_output=True, text=True, check=False
    )
    assert str(clone / ".venv") in said.stdout
    assert "up to date.\n" in make(clone).stdout
    assert list(clone.glob(".venv*")) == [clone / ".venv"]


def test_one_that_something_runs_from_is_left_alone(clone: Path, tmp_path: Path) -> None:
    python = str(clone / ".venv" / "bin" / "python")
    sleeper = Process([python, "-c", "import time; time.sleep(60)"], tmp_path / "log")
    with run(sleeper):
        wait_until(sleeper.is_running, "it runs")
        done = make(clone)
        assert done.returncode == 2
        assert "something runs" in done.stderr
        assert is_kept(clone)


def test_a_link_is_left_alone(clone: Path, tmp_path: Path) -> None:
    (clone / ".venv").rename(tmp_path / "shared")
    (clone / ".venv").symlink_to(tmp_path / "shared")
    done = make(clone)
    assert done.returncode == 0
    assert "is a link" in done.stderr
    assert is_kept(clone)


def test_one_that_cannot_be_made_leaves_the_old_one(clone: Path) -> None:
    (clone / "requirements-dev.txt").write_text(f"nothing-there==1 --hash=sha256:{'0' * 64}\n")
    assert make(clone).returncode == 2
    assert is_kept(clone)
    assert list(clone.glob(".venv*")) == [clone / ".venv"]
