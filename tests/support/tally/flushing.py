"""Minutes that are accepted, ended and flushed in this process, as fast as a test wants."""

import time

import pytest
from confluent_kafka import Producer
from django.conf import settings

from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.publishing.flush import Flush


def accept(store: CountStore, *ids: int) -> Minute:
    """Count the ids in the minute that is current now; which one it was."""
    return SyncWriter(connect_for_accept()).record(ids).minute


def next_minute(store: CountStore) -> None:
    """Seal the current minute, as if it were over; the first time ever, also remember it as the first."""
    pending = store.pending()
    if not store.sealed():
        PublishingState(store.client).begin_at(pending[0])
    store.seal(pending[-1])


def run(store: CountStore) -> list[Minute]:
    return Flush(store.client).run().published


def publish_one(store: CountStore) -> Minute:
    """A system in which one minute is published."""
    minute = accept(store, 1)
    next_minute(store)
    assert run(store) == [minute]
    return minute


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the clocks of Redis and of the worker say so, for the flush."""
    of_nodes, here = clock.of_nodes, time.time
    monkeypatch.setattr(clock, "of_nodes", lambda client: [now + seconds for now in of_nodes(client)])
    monkeypatch.setattr("tasks.publishing.checkpoint.time.time", lambda: here() + seconds)


def send(value: bytes, key: bytes) -> None:
    """A record in unique-counts that Tally did not write."""
    producer = Producer({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS})
    producer.produce(UNIQUE_COUNTS, value, key)
    producer.flush()
