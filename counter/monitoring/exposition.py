"""What `/metrics` says: all that the processes of this machine have counted, and what is in Redis now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

import redis
from django.conf import settings
from prometheus_client import CollectorRegistry, Info, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from typing_extensions import override

from counter.minute import SECONDS
from counter.redis import clock
from counter.redis.clients import connect_for_console, connect_to_broker, masters
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.offsets import Progress
from counter.store.pending import Pending, PendingMinutes, State
from counter.store.publishing_state import PublishingState
from counter.telemetry.metric_files import FilesCollector
from counter.version import VERSION


def of_processes() -> CollectorRegistry:
    """A new one; it looks when it is scraped."""
    made = CollectorRegistry()
    made.register(FilesCollector(Path(settings.METRICS_FOLDER)))
    Info("tally_build", "Which Tally this is", registry=made).info({"version": VERSION})
    return made


def registry() -> CollectorRegistry:
    """The same, with what is in Redis."""
    made = of_processes()
    made.register(RedisCollector(connect_for_console()))
    return made


def scrape() -> bytes:
    """Everything, in Prometheus's text format."""
    return generate_latest(registry())


def serve() -> None:
    """Tell it on METRICS_PORT, where one is set, from a thread as long as this process lives."""
    if settings.METRICS_PORT:
        start_http_server(settings.METRICS_PORT, registry=registry())


class RedisCollector(Collector):
    """Gauges of what waits, and of the Redis it waits in. With Redis away, `tally_redis_up 0` alone."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._broker = connect_to_broker()

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on Redis, and registering must not wait for it."""
        return []

    @override
    def collect(self) -> Iterator[Metric]:
        try:
            pending = self._pending()
            seen = {**self._waiting(pending), **self._server()}
        except RedisError:
            pending, seen = {}, {}
        yield GaugeMetricFamily("tally_redis_up", "Whether Redis answers", float(bool(seen)))
        if seen:
            yield from _of_counters(pending)
        for name, (help, value) in seen.items():
            yield GaugeMetricFamily(f"tally_{name}", help, float(value))
        if seen:
            with suppress(RedisError):
                yield self._reason()
                yield from self._partitions()

    def _reason(self) -> Metric:
        """For the alert to say; its series change with the reason, so nothing is counted or timed by them."""
        reason = GaugeMetricFamily(
            "tally_publishing_halted_reason", "Why publishing has stopped, while it has", labels=["reason"]
        )
        if why := PublishingState(self._redis).halted():
            reason.add_metric([why], 1)
        return reason

    def _partitions(self) -> Iterator[Metric]:
        """In event mode: how far each partition of `requests` has been counted."""
        label = ["partition"]
        behind = GaugeMetricFamily(
            "tally_partition_behind_seconds", "Since the append time that it has been read to", labels=label
        )
        offset = GaugeMetricFamily(
            "tally_partition_next_offset", "Up to which its events are counted", labels=label
        )
        now = clock.now(self._redis)
        for partition, positions in Progress.known(self._redis).positions().items():
            last = min(positions, key=lambda position: position.next)
            behind.add_metric([str(partition)], max(0.0, now - last.time / 1000))
            offset.add_metric([str(partition)], last.next)
        yield behind
        yield offset

    def _pending(self) -> dict[str, list[Pending]]:
        """By counter."""
        counters = CountStore.known(self._redis).counters
        return {counter: PendingMinutes(self._redis, counter).list() for counter in counters}

    def _waiting(self, pending: Mapping[str, Sequence[Pending]]) -> dict[str, tuple[str, float]]:
        closed = [each for of in pending.values() for each in of if each.state is not State.OPEN]
        oldest = max((each.age_seconds for each in closed), default=SECONDS)
        return {
            "oldest_closed_seconds": (
                "Since the end of the oldest one that is over",
                max(0.0, oldest - SECONDS),
            ),
            "publishing_halted": (
                "Whether publishing has stopped",
                bool(PublishingState(self._redis).halted()),
            ),
            "beat_up": ("Whether a beat leads and ticks", bool(self._broker.exists(keys.BEAT))),
        }

    def _server(self) -> dict[str, tuple[str, float]]:
        nodes = [(node.info("memory"), node.info("persistence")) for node in masters(self._redis)]
        fullest, _ = max(nodes, key=lambda node: node[0]["used_memory"] / (node[0]["maxmemory"] or inf))
        return {
            "redis_memory_bytes": ("Memory that Redis uses, or the fullest node", fullest["used_memory"]),
            "redis_memory_max_bytes": ("Its maxmemory, 0 for none", fullest["maxmemory"]),
            "redis_append_only_ok": (
                "Whether the append-only file is on and can be written",
                all(p["aof_enabled"] and p["aof_last_write_status"] == "ok" for _, p in nodes),
            ),
            "redis_noeviction": (
                "Whether counts are never evicted",
                all(memory["maxmemory_policy"] == "noeviction" for memory, _ in nodes),
            ),
        }


def _of_counters(pending: Mapping[str, Sequence[Pending]]) -> Iterator[Metric]:
    minutes = GaugeMetricFamily(
        "tally_pending_minutes", "Minutes that have data in Redis, the open one too", labels=["counter"]
    )
    ids = GaugeMetricFamily("tally_pending_ids", "Their distinct ids", labels=["counter"])
    for counter, of in pending.items():
        minutes.add_metric([counter], len(of))
        ids.add_metric([counter], sum(each.unique for each in of))
    yield minutes
    yield ids
