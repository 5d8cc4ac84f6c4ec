"""The panel of Kafka."""

from collections.abc import Iterator
from contextlib import suppress

from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from console.client import client
from console.kafka import admin_client
from console.level import Level
from console.panels.registry import Fact, panel
from console.times import ago
from counter.store.counts import CountStore
from tasks.kafka.errors import KafkaAway
from tasks.kafka.shape import look
from tasks.publishing.published_log import NoTopic, PublishedLog
from tasks.publishing.records import BadRecord

KAFKA_SECONDS = 1.0


@panel("Kafka")
def kafka_panel() -> Iterator[Fact]:
    """Which brokers answer, and how the topic ends."""
    try:
        brokers = admin_client().list_topics(timeout=KAFKA_SECONDS).brokers.values()
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
            yield Fact("Published", ago(last.record.published_at))
            yield from _writer(last.record.tally)
        yield from _topics()


def _writer(tally: str) -> Iterator[Fact]:
    """Whose the topic is, where that is to be worried about."""
    with suppress(RedisError):
        if tally not in ("", CountStore(client()).identity()):
            yield Fact("Written by", f"another Tally, {tally}", Level.BAD)


def _topics() -> Iterator[Fact]:
    """What is not as it must be."""
    with suppress(KafkaAway, RedisError):  # others say so
        for finding in look(admin_client(), CountStore(client()), KAFKA_SECONDS):
            yield Fact("Topics", finding.text, Level.BAD if finding.halts else Level.WARN)
