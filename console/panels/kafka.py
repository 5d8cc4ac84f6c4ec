"""The panel of Kafka."""

from collections.abc import Iterator
from functools import cache

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from console.level import Level
from console.panels.age import ago
from console.panels.registry import Fact, panel
from counter.kafka.client import client_config
from tasks.kafka.errors import KafkaAway
from tasks.publishing.published_log import NoTopic, PublishedLog
from tasks.publishing.records import BadRecord

KAFKA_SECONDS = 2.0


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
            yield Fact("Published", ago(last.record.published_at))
