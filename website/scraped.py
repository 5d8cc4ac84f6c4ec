"""The metrics that there are: what processes count, and what is asked of a Redis. Here that is empty."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.test import override_settings
from prometheus_client import REGISTRY, Metric
from prometheus_client.metrics import MetricWrapperBase

import tasks.metrics  # noqa: F401  (which registers those of tasks)
from counter.monitoring.exposition import RedisCollector
from counter.redis.clients import connect_for_console
from embedded.ports import free_port
from embedded.valkey import Valkey

LABELS = {
    "tally_publishing_halted_reason": ("reason",),
    "tally_partition_behind_seconds": ("partition",),
    "tally_partition_next_offset": ("partition",),
}
"""Of those that have no sample there"""


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics of one name, as `/metrics` writes it."""

    name: str
    type: str
    labels: tuple[str, ...]
    about: str


def families() -> list[Family]:
    """All of Tally's, by their names."""
    with an_empty_redis():
        asked = [_asked(metric) for metric in RedisCollector(connect_for_console()).collect()]
    return sorted([*_counted(), *asked], key=lambda family: family.name)


@contextmanager
def an_empty_redis() -> Iterator[None]:
    """The one of this process meanwhile."""
    with tempfile.TemporaryDirectory() as home:
        valkey = Valkey(Path(home), free_port())
        valkey.prepare()
        process = subprocess.Popen(valkey.command, stdout=subprocess.DEVNULL)
        try:
            while not valkey.is_ready():
                time.sleep(0.05)
            with override_settings(REDIS_URL=valkey.url, CELERY_BROKER_URL=valkey.url):
                yield
        finally:
            process.kill()
            process.wait()


def _counted() -> Iterator[Family]:
    for one in REGISTRY._collector_to_names:
        if isinstance(one, MetricWrapperBase):
            [metric] = one.describe()
            suffix = "_total" if metric.type == "counter" else ""
            yield Family(f"{metric.name}{suffix}", metric.type, tuple(one._labelnames), metric.documentation)


def _asked(metric: Metric) -> Family:
    labels = tuple(metric.samples[0].labels) if metric.samples else LABELS[metric.name]
    return Family(metric.name, metric.type, labels, metric.documentation)
