"""The schema tells the truth: schemathesis tries all that it allows and forbids, against real servers."""

import os
import subprocess

import pytest

from tests.support.processes import BIN, ROOT
from tests.support.tally.web import DJANGO, WEB, serving


@pytest.mark.parametrize("lane", [WEB, pytest.param(DJANGO, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("valkey")
def test_schemathesis_finds_nothing(lane: str, token: str) -> None:
    with serving(lane) as url:
        command = [
            str(BIN / "schemathesis"),
            "--no-color",
            "--config-file",
            "tests/support/schemathesis.toml",
        ]
        options = [
            "--checks",
            "all",
            "--output-truncate",
            "true",
            "--header",
            f"Authorization: Bearer {token}",
        ]
        done = subprocess.run(
            [*command, "run", f"{url}/api/schema/", *options],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": "."},
            capture_output=True,
            check=False,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, "\n".join(line[:300] for line in done.stdout.splitlines())
