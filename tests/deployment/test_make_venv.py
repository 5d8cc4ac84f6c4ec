"""What `make` does with .venv when requirements*.txt are newer: never empty it under anybody's feet."""

import os
import re
import shlex
import subprocess
import time
import venv
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Process, run, wait_until


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a .venv of its own that is older than what is to be in it, which is nothing but uv."""
    folder = tmp_path / "a clone"
    (folder / "ops").mkdir(parents=True)
    for name in ("Makefile", "ops/make-venv"):
        (folder / name).symlink_to(ROOT / name)
    venv.create(folder / ".venv", symlinks=True)
    (folder / ".venv" / "kept").touch()
    (folder / "requirements-embedded.txt").write_text("")
    [uv] = re.findall(r"^uv==.*(?:\n +--hash.*)+", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    (folder / "requirements-dev.txt").write_text(f"{uv}\n")
    return folder


def make(clone: Path, kind: str = "dev") -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(clone), f".venv/{kind}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def is_kept(clone: Path) -> bool:
    return (clone / ".venv" / "kept").exists()


def has_uv(clone: Path) -> bool:
    return (clone / ".venv" / "bin" / "uv").exists()


@pytest.mark.slow
def test_a_new_one_takes_the_place_of_an_old_one(clone: Path) -> None:
    done = make(clone)
    assert done.returncode == 0, done.stderr
    assert not is_kept(clone)
    [python] = re.findall(r"^VIRTUAL_ENV=(.*)$", (clone / ".venv/bin/activate").read_text(), re.MULTILINE)
    assert shlex.split(python) == [str(clone / ".venv")]
    assert "up to date.\n" in make(clone).stdout
    assert "up to date.\n" in make(clone, "embedded").stdout
    assert list(clone.glob(".venv*")) == [clone / ".venv"]


@pytest.mark.slow
def test_whoever_only_runs_tally_gets_no_more_and_whoever_works_on_it_keeps_all(clone: Path) -> None:
    assert make(clone, "embedded").returncode == 0
    assert not has_uv(clone)
    (clone / ".venv" / "kept").touch()
    python = str(clone / ".venv" / "bin" / "python")
    with run(Process([python, "-c", "import time; time.sleep(60)"], clone / "log")):
        assert make(clone).returncode == 0, "more is added beside what runs"
    assert is_kept(clone)
    assert has_uv(clone)
    os.utime(clone / "requirements-embedded.txt", (later := time.time() + 60, later))
    assert make(clone, "embedded").returncode == 0
    assert not is_kept(clone)
    assert has_uv(clone)


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
    with (clone / "requirements-dev.txt").open("a") as file:
        file.write(f"nothing-there==1 --hash=sha256:{'0' * 64}\n")
    assert make(clone).returncode == 2
    assert is_kept(clone)
    assert list(clone.glob(".venv*")) == [clone / ".venv"]
