"""What Tally counts of itself, for `/metrics`. Each process has a file of its own; a scrape adds them up."""

from pathlib import Path

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

Path(settings.METRICS_FOLDER).mkdir(parents=True, exist_ok=True)

ACCEPTED = Counter("tally_accepted_calls", "Calls that Redis has recorded, one for each id of a batch")
REFUSED = Counter("tally_refused_calls", "Calls that were refused, one for each id of a batch", ["reason"])
BAD_CALL = REFUSED.labels("bad_call")
UNAVAILABLE = REFUSED.labels("unavailable")
UNAUTHORIZED = REFUSED.labels("unauthorized")
CALLBACKS = Counter("tally_callbacks", "POSTs to an endpoint, by what became of them", ["outcome"])


def scrape() -> bytes:
    """Everything, over all processes, in Prometheus's text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, settings.METRICS_FOLDER)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
