"""Measure, and print it. Takes about eight minutes, and writes docs/bench/scaling*; QUICK=1: neither."""

import os
import sys

from bench.load import Missing
from bench.machine import CACHE
from bench.scaling import report
from bench.scaling.measure import FULL, QUICK, measure
from bench.scaling.tables import text


def main() -> None:
    """Exit with status 1 and one line where something is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    quick = bool(os.environ.get("QUICK"))
    try:
        results = measure(QUICK if quick else FULL)
    except Missing as missing:
        sys.exit(str(missing))
    print(text(results))
    if not quick:
        report.save(results)


main()
