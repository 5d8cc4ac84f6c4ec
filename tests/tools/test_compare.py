"""The page of the comparison shows what was measured, and nothing else."""

from bench.compare import report
from bench.machine import ROOT


def test_the_published_tables_are_those_of_the_published_figures() -> None:
    assert report.text(report.saved()) in (ROOT / "docs" / "compare.md").read_text()
