"""The sinks of this process, as ACCEPT_SINK has them: one factory for each kind of lane."""

from django.conf import settings

from counter.counters import counters
from counter.mode import is_event_mode
from counter.redis.clients import connect_for_accept
from counter.sinks.contract import CallSink, PartSink, SyncSink
from counter.sinks.kafka.async_producer import AsyncProducer
from counter.sinks.kafka.sync_producer import SyncProducer
from counter.sinks.redis.async_writer import AsyncWriter
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys


def async_sinks(batches: int) -> tuple[CallSink, list[PartSink]]:
    """Where single calls go, and where batches go, so many of them at once."""
    if is_event_mode():
        producer = AsyncProducer()
        return producer, [producer] * batches
    places = keys.places(settings.REDIS_BUCKETS, counters())
    writers: list[PartSink] = [
        AsyncWriter(connect_async(), places, keeps_replies=True) for _ in range(batches)
    ]
    return GroupCommit(connect_async), writers


def sync_sink() -> SyncSink:
    """Where Django's lane sends calls and batches."""
    return SyncProducer() if is_event_mode() else SyncWriter(connect_for_accept())
