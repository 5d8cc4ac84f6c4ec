"""docs/faults.md names each fault's test: every file and every test that it names is there."""

import re
from collections.abc import Iterator

import pytest

from tests.support.processes import ROOT
from tests.support.source import functions

FAULTS = ROOT / "tests" / "faults"
NAMED = re.compile(r"`([\w/]*\.py)?(?:::)?(…?\w+…?)?`")


def named() -> Iterator[tuple[str, str]]:
    """(file, name of a test in it, or nothing); … stands for what is left out, also for the last file."""
    last = ""
    for file, name in NAMED.findall((ROOT / "docs" / "faults.md").read_text()):
        if "test_" in file or name.startswith("…"):
            last = file or last
            yield last, name


@pytest.mark.parametrize(("file", "name"), sorted(set(named())))
def test_what_the_page_names_is_there(file: str, name: str) -> None:
    [path] = FAULTS.rglob(file) if "/" not in file else [ROOT / file]
    whole = re.escape(name).replace("…", r"\w*")
    assert not name or any(re.fullmatch(whole, test) for test in functions(path))
