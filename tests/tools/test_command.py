"""`tally`: what it says of itself, and the file of its settings."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from counter.version import VERSION
from tally import command
from tests.support.processes import ROOT


def tally(*arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tally", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_says_its_version_and_its_programs(tmp_path: Path) -> None:
    assert tally("--version", folder=tmp_path).stdout == f"tally {VERSION}\n"
    said = tally(folder=tmp_path).stdout
    for program in command.PROGRAMS:
        assert f"tally {program} " in said


def test_a_file_has_settings_and_the_environment_the_last_word(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_BUCKETS=300\nACCEPT_REPLICAS=-1\n")
    found = tally("check", folder=tmp_path, ENV_FILE=".env", ACCEPT_REPLICAS="0").stderr
    assert "REDIS_BUCKETS is 300." in found
    assert "ACCEPT_REPLICAS" not in found
    assert "no issues" in tally("check", folder=tmp_path, ENV_FILE="").stdout


def test_a_file_that_is_named_and_not_there_is_said(tmp_path: Path) -> None:
    done = tally("check", folder=tmp_path, ENV_FILE="mine.env")
    assert done.returncode == 1
    assert (
        done.stderr
        == "The settings of mine.env can't be read: [Errno 2] No such file or directory: 'mine.env'\n"
    )


@pytest.fixture
def umask() -> Iterator[None]:
    """Of this process; the command sets one for itself."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("program", ["run", "demo"])
def test_without_the_extra_it_says_what_to_install(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tally", program])
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"install tally\[embedded\]"):
        command.main()
