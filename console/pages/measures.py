"""Measures: what the processes of this machine have counted of their calls, as totals to compare."""

import time
from typing import Any

from prometheus_client.core import Metric

from counter.monitoring.exposition import of_processes


def measures() -> dict[str, Any]:
    """Totals since the processes began, so they only grow, or begin anew with a process.

    `now` in Unix seconds; `refused`: calls by reason; `scripts`: by upper bound in seconds, how many scripts
    took no longer.
    """
    families = {family.name: family for family in of_processes().collect()}
    return {
        "now": time.time(),
        "refused": _by(families.get("tally_refused_calls"), "_total", "reason"),
        "scripts": _by(families.get("tally_script_seconds"), "_bucket", "le"),
    }


def _by(family: Metric | None, suffix: str, label: str) -> dict[str, float]:
    samples = family.samples if family else ()
    return {each.labels[label]: each.value for each in samples if each.name.endswith(suffix)}
