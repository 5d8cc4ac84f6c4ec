"""Short soaks. `make soak SECONDS=600` is a long one, with a seed of its own."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--seconds", "20"], id="one of each"),
        pytest.param(["--seconds", "15", "--cluster"], id="clusters"),
    ],
)
def test_nothing_is_lost_and_nothing_doubled_under_random_faults(options: list[str]) -> None:
    command = [sys.executable, "-m", "tests.soak", "--seed", "1", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost, nothing doubled" in done.stdout
