"""What Tally counts of itself. Each process has a file in METRICS_FOLDER; a scrape adds them up."""

from collections.abc import Mapping
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from counter.counters import DEFAULT

ACCEPTED = Counter("tally_accepted_calls", "Calls that are recorded, one for each id of a batch", ["counter"])
REFUSED = Counter("tally_refused_calls", "Calls that were refused, one for each id of a batch", ["reason"])
CALLBACKS = Counter("tally_callbacks", "POSTs to an endpoint, by what became of them", ["outcome"])
LINES_LEFT_OUT = Counter("tally_log_lines_left_out", "Lines that a log had no room for")
ACCEPTED.labels(DEFAULT)
for outcome in ("2xx", "3xx", "4xx", "retried", "failed", "refused", "expired", "shed"):
    CALLBACKS.labels(outcome)

# Observed once for what is sent to a node at once, a script for each bucket: not once a call.
QUEUE_CALLS = Gauge(
    "tally_queue_calls",
    "Calls that wait for their script, or for its answer, in the web processes that run",
    multiprocess_mode="livesum",
)
SCRIPT_CALLS = Histogram(
    "tally_script_calls",
    "Calls recorded by the scripts that were sent to a node at once, one for each bucket",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
SCRIPT_SECONDS = Histogram(
    "tally_script_seconds",
    "From sending such scripts to their answers, repeats after a lost connection included",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)


_accepted = cache(ACCEPTED.labels)
"""By counter, of which there are as many as settings name."""


def accept(calls: Mapping[str, int]) -> None:
    """So many calls of each counter were recorded."""
    for counter, number in calls.items():
        _accepted(counter).inc(number)


def observe(calls: Mapping[str, int], seconds: float) -> None:
    """So many calls of each counter were recorded at once, in this time."""
    accept(calls)
    SCRIPT_CALLS.observe(sum(calls.values()))
    SCRIPT_SECONDS.observe(seconds)
