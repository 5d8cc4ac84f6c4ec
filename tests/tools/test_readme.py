"""Every command of the README, as it is written, in a clone; and those that other pages name exist."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.core.management import get_commands, load_command_class

from embedded.ports import free_port
from tally.command import PROGRAMS
from tasks.publishing import flush
from tests.support.console_blocks import blocks
from tests.support.needs import program
from tests.support.processes import ROOT, START_SECONDS, Process, run, wait_until

CLONE, RUN, TEST = "git clone https://github.com/example/tally && cd tally", "make run", "make test"
NOT_CLONED = (".git", ".venv*", ".tally", ".secrets", ".tools", ".*_cache", "__pycache__")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]


class Clone:
    """As a clone of the repository would be, with ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tally"
        self.log = folder / "log"
        self.port = str(free_port())
        shutil.copytree(ROOT, self.folder, ignore=shutil.ignore_patterns(*NOT_CLONED))
        (self.folder / ".venv").symlink_to(sys.prefix)  # which takes a minute to make
        ours = ("REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS", "TALLY_HOME", "ENV_FILE", "SECRET_KEY")
        self.env = {name: value for name, value in os.environ.items() if name not in ours}
        self.env |= {"PORT": self.port, "REDIS_PORT": str(free_port()), "KAFKA_PORT": str(free_port())}

    def start(self) -> Process:
        """The command that goes on until Ctrl-C."""
        env = [f"{name}={value}" for name, value in self.env.items()]
        command = ["env", "--ignore-environment", f"--chdir={self.folder}", *env, *shlex.split(RUN)]
        return Process(command, self.log)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://localhost:{self.port}/readyz", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def type(self, commands: list[str]) -> list[str]:
        """What each prints, in one shell. All must end well."""
        mark = "--- the next one"
        script = f"\necho '{mark}'\n".join(commands).replace("localhost:8000", f"localhost:{self.port}")
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return [text.strip("\n") for text in done.stdout.split(mark)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    for name in ("curl", "make"):
        program(name, name)
    clone = Clone(tmp_path_factory.mktemp("clone"))
    process = clone.start()
    with run(process):
        wait_until(clone.is_ready, f"it accepts calls, see {clone.log}", START_SECONDS)
        yield clone
        process.stop()


def test_it_begins_with_the_clone_and_the_run() -> None:
    first, *_ = blocks(ROOT / "README.md")
    assert [command for command, _ in first] == [CLONE, RUN]


def test_its_commands_print_what_it_says(clone: Clone) -> None:
    assert "console login: admin, password" in clone.log.read_text()
    _, *rest = blocks(ROOT / "README.md")
    for block in rest:
        told = [(command, lines) for command, lines in block if command != TEST]
        for printed, (command, lines) in zip(clone.type([command for command, _ in told]), told, strict=True):
            for line in lines:
                assert any(shape(line) == shape(each) for each in printed.splitlines()), (command, printed)


def shape(line: str) -> object:
    """What stays the same from one run to the next."""
    head, brace, tail = line.partition("{")
    if not brace:
        return re.sub(r"\d+", "0", line).split()
    return head.split(), _keys(json.loads(brace + tail))


def _keys(value: object) -> object:
    if isinstance(value, dict):
        return {name: _keys(each) for name, each in value.items()}
    return type(value).__name__  # a list may be empty by now


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_that_is_named_is_there(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets
    known = {*get_commands(), *PROGRAMS, "setup", "help"}
    for options in re.findall(r"(?:`|\$ |-- )(?:bin/)?tally ([a-z][^`\n|]*)", text):
        name, *words = options.split()
        assert name in known, options
        if name in get_commands():
            parser = load_command_class(get_commands()[name], name).create_parser("tally", name)
            there = {option for action in parser._actions for option in action.option_strings}
            assert {word.strip("[]\\,;:") for word in words if word.strip("[").startswith("--")} <= there, (
                options
            )


def test_the_design_shows_the_protocol_as_the_code_has_it() -> None:
    protocol = str(flush.__doc__).partition("\n1   lock")[2]
    assert protocol
    assert f"```\n1   lock{protocol}```" in (ROOT / "docs" / "design.md").read_text()
