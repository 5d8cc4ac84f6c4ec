"""The mutants fit the code, the suite and docs/faults.md, so that `make mutants` can judge each of them."""

import os
import subprocess
import sys

import pytest

from tests.mutants import MUTANTS, Mutant, row
from tests.support.processes import ROOT
from tests.support.source import functions

of_each = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)


@of_each
def test_what_is_taken_out_stands_there_once(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    for before, after in mutant.edits:
        assert text.count(before) == 1, before
        text = text.replace(before, after)


@of_each
def test_the_test_that_must_notice_is_there(mutant: Mutant) -> None:
    for test in mutant.test.split():
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file()
        assert not name or name.rpartition("::")[2].partition("[")[0] in functions(ROOT / file)


@of_each
def test_the_page_names_the_same_test(mutant: Mutant) -> None:
    assert row(mutant, "fails") in (ROOT / "docs" / "faults.md").read_text()


def test_runs_outside_of_pytest_and_says_that_no_guard_has_such_a_name() -> None:
    outside = {name: value for name, value in os.environ.items() if name != "TALLY_HOME"}
    command = [sys.executable, "-m", "tests.mutants", "no such guard"]
    done = subprocess.run(command, cwd=ROOT, env=outside, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "no guard has 'no such guard' in its name\n")
