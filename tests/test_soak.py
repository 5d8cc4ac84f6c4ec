"""A short soak. `make soak SECONDS=600` is a long one, with a seed of its own."""

import subprocess
import sys

from tests.processes import ROOT


def test_nothing_is_lost_and_nothing_doubled_under_random_faults() -> None:
    command = [sys.executable, "-m", "tests.soak", "--seconds", "30", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost, nothing doubled" in done.stdout
