"""The panels of the first page, with real events, consolidators and workers behind them."""

import re
import threading
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler

import pytest
import redis
from celery.exceptions import Retry
from confluent_kafka import Consumer
from django.core.cache import cache
from pytest_django import Settings

from console.level import Level
from console.panels import registry
from console.panels.pace import Pace
from console.panels.registry import Fact
from counter.journal.flush_log import KEPT, FlushLog, FlushRun
from counter.kafka.client import client_config
from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.keys import WHOLE
from counter.task_names import CALLBACK, callback_queue
from embedded.ports import free_port
from project.celery import app
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.publishing.flush_task import flush_closed_minutes
from tests.support.processes import HOME, run, wait_until
from tests.support.programs import tally
from tests.support.requests_topic import Requests, at, consolidating
from tests.support.servers.endpoint import ok, receiving
from tests.support.tally.flushing import accept, next_minute, publish_one


def facts(panel: str) -> dict[str, Fact]:
    return {fact.label: fact for fact in registry.read(panel)[1]}


def test_who_counts_events_and_how_far_is_shown(
    kafka: None, store: CountStore, valkey: redis.Redis, settings: Settings
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic, last = Requests(), Minute.at(clock.now(store.client)) - 1
    topic.append(0, at(last, 1), 1, 2)
    topic.append(1, at(last, 3), 3)
    topic.append(2, at(last, 2), 4)
    # A Kafka that was just started needs a moment to know of groups.
    wait_until(lambda: "Consolidators" in facts("Events"), "Kafka knows that nobody is in the group")
    seen = facts("Events")
    assert (seen["Consolidators"].value, seen["Consolidators"].level) == (
        "none is at work: no event is counted",
        Level.BAD,
    )
    assert seen["Waiting"].value == "4 events"
    with consolidating():
        topic.wait_counted(valkey)
        seen = facts("Events")
        assert "counts partitions 0, 1, 2" in [fact.value for fact in seen.values()]
    assert seen["Waiting"].value == "0 events"
    partitions = [label for label in seen if label.startswith("Partition")]
    assert partitions == sorted(partitions)
    assert seen["Partition 0"].value.endswith("offset 2, the furthest behind")
    assert seen["Partition 0"].share == 1
    topic.append(0, at(last, 3), 5, 6)
    assert facts("Events")["Partition 0"].share == 0.5


def test_how_fast_events_come_and_are_counted_is_shown(
    kafka: None,
    store: CountStore,
    valkey: redis.Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.ACCEPT_SINK = "kafka"
    monkeypatch.setattr("console.panels.pace.APART_SECONDS", 0)
    topic, last = Requests(), Minute.at(clock.now(store.client)) - 1
    wait_until(lambda: "Waiting" in facts("Events"), "Kafka knows of the topic and the group")
    cache.clear()
    assert "Appended" not in facts("Events"), "there is nothing to compare with"
    topic.append(0, at(last), 1, 2, 3)
    seen = facts("Events")
    assert float(seen["Appended"].value.split()[0].replace(",", "")) > 0
    assert seen["Counted"].value == "0 a second"
    assert facts("Events")["Drained in"].level == Level.WARN, "nothing comes, and what waits is not counted"


def test_what_is_in_each_topic_and_how_it_is_set_up_is_shown(kafka: None, store: CountStore) -> None:
    publish_one(store)
    seen = facts("Kafka")
    assert seen["unique-counts"].value.startswith("1 partition, 1 replica, ")
    assert seen["id-counts"].value.startswith("12 partitions, 1 replica, ")
    assert int(seen["unique-counts"].value.split(", ")[2].split()[0]) >= 1


def test_who_reads_the_output_and_how_far_is_shown(kafka: None, store: CountStore) -> None:
    publish_one(store)
    reader = Consumer(
        client_config()
        | {"group.id": "billing", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    with closing(reader):
        reader.subscribe([UNIQUE_COUNTS])
        messages = reader.consume(1, 60)
        reader.commit(message=messages[0], asynchronous=False)
    assert facts("Kafka")["billing"].value == "reads unique-counts, up to date"
    publish_one(store)
    assert facts("Kafka")["billing"].value.startswith("reads unique-counts, ")
    assert facts("Kafka")["billing"].value.endswith(" behind")


def test_without_events_nobody_is_asked_about_them(valkey: redis.Redis, settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = f"127.0.0.1:{free_port()}"
    assert registry.read("Events") == (
        Level.OK,
        [Fact("Sink", "calls are counted at once, there are no events")],
    )


def test_a_backlog_drains_as_fast_as_more_is_counted_than_comes() -> None:
    assert Pace(appended=100, counted=150).drained_in(1000) == 20
    assert Pace(appended=100, counted=100).drained_in(1000) is None


def test_what_workers_do_and_what_waits_for_them_is_shown(valkey: redis.Redis) -> None:
    minute = str(SyncWriter(connect_for_accept()).record([1]).minute)
    release = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        release.wait(60)
        ok(handler)

    with receiving(hang) as receiver:
        env = {"CALLBACK_ALLOWED_HOSTS": f"127.0.0.1:{receiver.port}"}
        with run(tally("callbacks", "--hostname=busy@%h", log=HOME / "panel.log", env=env)):
            app.send_task(CALLBACK, args=[receiver.url, minute])
            receiver.got.get(timeout=60)

            def is_shown() -> bool:
                return any(
                    fact.label.startswith("busy@") and fact.value.startswith("call_endpoint, begun ")
                    for fact in facts("Workers").values()
                )

            wait_until(is_shown, "it is at the callback")
            assert facts("Workers")["Taken by workers"].value == "1"
            release.set()
            wait_until(lambda: not valkey.hlen("unacked"), "it has called")
    app.send_task(CALLBACK, args=[receiver.url, minute], queue=callback_queue(receiver.url))
    assert facts("Workers")["Callbacks waiting"].value == "1"


def test_the_last_flushes_are_shown_with_what_kept_them(
    kafka: None, store: CountStore, valkey: redis.Redis
) -> None:
    assert facts("Flushes")["Flushes"].value == "none has had anything to publish yet"
    minute = accept(store, 1, 2)
    next_minute(store)
    stats = WHOLE.stats(minute)
    valkey.hincrby(stats, "unique", 1)
    with pytest.raises(Retry):
        flush_closed_minutes()
    [halted] = registry.read("Flushes")[1]
    assert (halted.level, "ids in its index" in halted.value) == (Level.BAD, True)
    assert re.match(r"stopped after \d+\.\d s: ", halted.value)
    valkey.hincrby(stats, "unique", -1)
    with suppress(Retry):  # near the end of a minute it comes again
        flush_closed_minutes()
    level, (published, before) = registry.read("Flushes")
    assert published.value.startswith(f"1 minute up to {minute.start:%H:%M} in ")
    assert (level, before.value) == (Level.OK, halted.value), "what was is over"


def test_no_more_flushes_are_kept_than_people_look_at(valkey: redis.Redis) -> None:
    for number in range(KEPT + 5):
        FlushLog(valkey).note(FlushRun(0.0, float(number), "failed"))
    assert valkey.llen(keys.FLUSHES) == KEPT
    valkey.rpush(keys.FLUSHES, b"{}")  # of another version
    assert [run.seconds for run in FlushLog(valkey).last(3)] == [KEPT + 4, KEPT + 3]
