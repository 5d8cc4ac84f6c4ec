"""KAFKA_TOPIC_PREFIX: two systems on one Kafka, each with a Redis and topics of its own."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from django.test import override_settings
from pytest_django import Settings

from counter.kafka.client import REQUESTS, client_config
from counter.minute import Minute
from counter.redis.clients import connect
from counter.sinks.kafka.sync_producer import SyncProducer
from counter.store.counts import CountStore
from embedded.ports import free_port
from embedded.valkey import Valkey
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS, create_topics
from tests.support.processes import ROOT, ServerProcess, run, wait_until
from tests.support.reading import records
from tests.support.requests_topic import consolidating
from tests.support.tally.flushing import accept, next_minute
from tests.support.tally.flushing import run as flush

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]
PREFIXES = ("one.", "two-")


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[list[override_settings]]:
    """Their settings."""
    with ExitStack() as stack:
        valkeys = [Valkey(tmp_path / prefix, free_port()) for prefix in PREFIXES]
        for valkey in valkeys:
            stack.enter_context(run(ServerProcess(valkey)))
        yield [
            override_settings(REDIS_URL=valkey.url, KAFKA_TOPIC_PREFIX=prefix)
            for valkey, prefix in zip(valkeys, PREFIXES, strict=True)
        ]
    admin = AdminClient(client_config())
    names = [name for name in admin.list_topics(timeout=30).topics if name.startswith(PREFIXES)]
    for future in admin.delete_topics(names).values():
        future.result(30)


@contextmanager
def working(system: override_settings) -> Iterator[CountStore]:
    """In this system for a while."""
    with system, closing(connect()) as client:
        yield CountStore.known(client)


def published(prefix: str) -> list[bytes]:
    return [key for key, _ in records(f"{prefix}{UNIQUE_COUNTS}")]


def test_both_publish_everything(systems: list[override_settings]) -> None:
    expected: list[list[Minute]] = [[], []]
    for turn in range(3):
        for system, minutes in zip(systems, expected, strict=True):
            with working(system) as store:
                create_topics()
                minutes.append(accept(store, turn, 42))
                next_minute(store)
                assert flush(store) == minutes[-1:]
                assert store.pending() == []
    for prefix, minutes in zip(PREFIXES, expected, strict=True):
        assert published(prefix) == [str(minute).encode() for minute in minutes]
        ids = Counter(key for key, _ in records(f"{prefix}{ID_COUNTS}"))
        assert ids == {b"0": 1, b"1": 1, b"2": 1, b"42": 3}
    assert records(UNIQUE_COUNTS) == []


def test_the_fence_of_one_is_not_the_others(
    systems: list[override_settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a transactional id of its own: neither ends the other's transaction."""
    one, two = systems
    with working(two) as store:
        create_topics()
        theirs = accept(store, 1)
        next_minute(store)

    def flush_the_other(point: str) -> None:
        if point == "6b.commit.before":
            monkeypatch.setattr("tasks.publishing.steps.watchers", [])
            with working(two) as store:
                assert flush(store) == [theirs]

    with working(one) as store:
        create_topics()
        ours = accept(store, 1)
        next_minute(store)
        monkeypatch.setattr("tasks.publishing.steps.watchers", [flush_the_other])
        assert flush(store) == [ours]


def test_events_of_both_are_counted_by_their_own(
    systems: list[override_settings], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ACCEPT_SINK = "kafka"
    # The topics are new, and the machine busy.
    monkeypatch.setattr("counter.sinks.kafka.sync_producer.DEADLINE_SECONDS", 30)
    monkeypatch.setattr("counter.kafka.requests.MESSAGE_TIMEOUT_MS", 30_000)
    for n, system in enumerate(systems):
        with system:
            create_topics()
            SyncProducer().record([n, 42])
    for n, system in enumerate(systems):
        with working(system) as store, consolidating():
            wait_until(partial(has_calls, store, 2), "both are counted")
            [minute] = store.pending()
            assert dict(count for chunk in store.counts(minute) for count in chunk) == {n: 1, 42: 1}
    assert REQUESTS not in AdminClient(client_config()).list_topics(timeout=30).topics


def has_calls(store: CountStore, calls: int) -> bool:
    return sum(each.total for each in store.stats(store.pending())) == calls


def test_the_access_list_has_the_prefix() -> None:
    done = subprocess.run(
        [ROOT / "ops/kafka/acls.sh", "echo"],
        env=os.environ | {"KAFKA_TOPIC_PREFIX": "one."},
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.split()
    kinds = ("--topic", "--group", "--transactional-id")
    names = {name for kind, name in pairwise(words) if kind in kinds}
    assert all(name.startswith("one.") for name in names - {"__transaction_state"})
    assert {"one.unique-counts", "one.id-counts", "one.requests", "one.tally-flush"} < names
