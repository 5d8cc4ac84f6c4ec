"""What the console shows of Kafka, beat and the workers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache

from celery import current_app
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kombu import Connection
from kombu.exceptions import OperationalError
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import ensure_conf, get_redis
from redis.exceptions import RedisError

from counter import keys
from counter.console.client import client
from counter.console.level import Level
from counter.console.panels import Fact, panel
from counter.jobs import FLUSH_QUEUE
from counter.kafka import client_config
from counter.minute import SECONDS
from counter.store import CountStore
from tasks.brokers import KafkaAway
from tasks.published_log import NoTopic, PublishedLog
from tasks.records import BadRecord
from tasks.shape import look

KAFKA_SECONDS = 2.0
WORKER_SECONDS = 1.0
"""Workers answer within milliseconds; how many there are is not known, so this is always waited for."""

LATE_SECONDS = 90
"""Since the last tick: one has been missed."""


BEHIND_SECONDS = 120
"""Since the append time that a partition has been read to; a marker comes every 60."""

HINT = "flush-closed-minutes"
"""The entry of beat's schedule."""

AWAY = (OperationalError, RedisError)


@cache
def _admin_client() -> AdminClient:
    return AdminClient(client_config())


@panel("Kafka")
def kafka_panel() -> Iterator[Fact]:
    """Which brokers answer, and how the topic ends."""
    try:
        brokers = _admin_client().list_topics(timeout=KAFKA_SECONDS).brokers.values()
        yield Fact("Brokers", ", ".join(f"{broker.host}:{broker.port}" for broker in brokers))
        with PublishedLog() as log:
            last = log.last()
    except KafkaException as error:
        yield Fact("Brokers", f"none answers: {error.args[0].str()}", Level.BAD)
        yield Fact("Meanwhile", "counting goes on, and minutes wait")
    except (KafkaAway, NoTopic, BadRecord) as error:
        yield Fact("Last record", str(error), Level.BAD)
    else:
        yield Fact("Last record", f"{last.record.minute}, offset {last.offset}" if last else "none yet")
        if last:
            yield Fact("Published", _ago(last.record.published_at))
        yield from _topics()


def _topics() -> Iterator[Fact]:
    """What is not as it must be."""
    with suppress(KafkaAway, RedisError):  # others say so
        for finding in look(_admin_client(), CountStore(client()), KAFKA_SECONDS):
            yield Fact("Topics", finding.text, Level.BAD if finding.halts else Level.WARN)


@panel("Events")
def events_panel() -> Iterator[Fact]:
    """Which partition of `requests` minutes wait for."""
    store = CountStore(client())
    try:
        positions, now = store.progress().positions(), store.now()
    except RedisError as error:
        yield Fact("Progress", f"Redis does not answer: {error}", Level.BAD)
        return
    if not positions:
        yield Fact("Sink", "calls are counted at once, there are no events")
    for partition, of in sorted(positions.items(), key=lambda item: min(each.time for each in item[1])):
        behind = now - min(each.time for each in of) / 1000
        level = Level.WARN if behind > BEHIND_SECONDS else Level.OK
        yield Fact(f"Partition {partition}", f"read to {_at(behind, now)}, offset {of[0].next:,}", level)


@panel("Beat")
def beat_panel() -> Iterator[Fact]:
    """Who gives the hints, and when the last one was."""
    config = ensure_conf(current_app)
    try:
        with _broker():  # RedBeat itself would wait long for it
            client = get_redis(current_app)
            leader = client.get(keys.BEAT)
            entry = RedBeatSchedulerEntry.from_key(f"{config.key_prefix}{HINT}", app=current_app)
    except AWAY as error:
        yield Fact("Broker", f"does not answer: {error}", Level.BAD)
        return
    except KeyError:  # no beat ever ran
        entry = None
    if leader:
        yield Fact("Leads", leader)
    else:
        yield Fact("Leads", "none", Level.BAD)
        yield Fact("Meanwhile", "nothing is published by itself, only by Flush now")
    if entry and entry.last_run_at:
        is_late = (datetime.now(UTC) - entry.last_run_at).total_seconds() > LATE_SECONDS
        yield Fact("Last tick", _ago(entry.last_run_at), Level.WARN if is_late else Level.OK)
        yield Fact("Ticks", f"{entry.total_run_count:,}")


@panel("Workers")
def workers_panel() -> Iterator[Fact]:
    """Which workers answer, and how many hints wait for them."""
    try:
        with _broker() as connection:
            answers = current_app.control.inspect(timeout=WORKER_SECONDS, connection=connection).ping()
            waiting = get_redis(current_app).llen(FLUSH_QUEUE)
    except AWAY as error:
        yield Fact("Broker", f"does not answer: {error}", Level.BAD)
        return
    for name in sorted(answers or ()):
        yield Fact(name, "alive")
    if not answers:
        yield Fact("Workers", "none answers", Level.BAD)
        yield Fact("Meanwhile", "counting goes on, and minutes wait")
    yield Fact("Hints waiting", f"{waiting}")


@contextmanager
def _broker() -> Iterator[Connection]:
    with current_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        yield connection


def _at(behind: float, now: float) -> str:
    return _ago(datetime.fromtimestamp(now - behind, UTC)) if behind < now else "nothing yet"


def _ago(moment: datetime) -> str:
    seconds = max(0.0, time.time() - moment.timestamp())
    return f"{seconds:.0f} s ago" if seconds < 2 * SECONDS else f"{seconds / SECONDS:.0f} min ago"
