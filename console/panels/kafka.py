"""The panel of Kafka."""

from collections.abc import Iterator
from contextlib import suppress

from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from console.client import client
from console.headline.kafka import admin_client
from console.level import Level
from console.panels.registry import Fact, panel
from console.times import ago
from counter.kafka.client import prefixed
from counter.store.publishing_state import PublishingState
from tasks.errors import KafkaAway, PublishingError
from tasks.kafka.groups import lags
from tasks.kafka.offsets import bounds
from tasks.kafka.shape import describe_in_use, judge
from tasks.kafka.shape_rules import TRANSACTION_LOG, Shape
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tasks.output.published_log import PublishedLog

KAFKA_SECONDS = 1.0
"""For each answer: one that does not come ends the panel."""


@panel("Kafka")
def kafka_panel() -> Iterator[Fact]:
    """Which brokers answer, and how the topic ends."""
    try:
        brokers = admin_client().list_topics(timeout=KAFKA_SECONDS).brokers.values()
        yield Fact("Brokers", ", ".join(f"{broker.host}:{broker.port}" for broker in brokers))
        with PublishedLog(seconds=KAFKA_SECONDS) as log:
            last = log.last()
    except KafkaException as error:
        yield Fact("Brokers", f"none answers: {error.args[0].str()}", Level.BAD)
        yield Fact("Meanwhile", "counting goes on, and minutes wait")
    except PublishingError as error:
        yield Fact("Last record", str(error), Level.BAD)
    else:
        yield Fact("Last record", f"{last.record.minute}, offset {last.offset}" if last else "none yet")
        if last:
            yield Fact("Published", ago(last.record.published_at))
            yield from _writer(last.record.tally)
        yield from _topics()
        yield from _readers()


def _writer(tally: str) -> Iterator[Fact]:
    """Whose the topic is, where that is to be worried about."""
    with suppress(RedisError):
        if tally not in ("", PublishingState(client()).identity()):
            yield Fact("Written by", f"another Tally, {tally}", Level.BAD)


def _topics() -> Iterator[Fact]:
    """What is in each, how it is set up, and what is not as it must be."""
    with suppress(KafkaAway, RedisError):  # others say so
        found = describe_in_use(admin_client(), client(), KAFKA_SECONDS)
        for each in found:
            if isinstance(each, Shape) and each.name != TRANSACTION_LOG:
                yield Fact(each.name, f"{_setup(each)}, {_records(each.name)} records")
        for finding in judge(found, PublishingState(client()).kept_partitions()):
            yield Fact("Topics", finding.text, Level.BAD if finding.halts else Level.WARN)


def _readers() -> Iterator[Fact]:
    """The groups that read the output, and how far behind they are."""
    with suppress(KafkaAway):
        for name in map(prefixed, (UNIQUE_COUNTS, ID_COUNTS)):
            for lag in lags(admin_client(), name, KAFKA_SECONDS):
                behind = f"{_number(lag.records, 'record')} behind" if lag.records else "up to date"
                yield Fact(lag.group, f"reads {name}, {behind}")


def _setup(shape: Shape) -> str:
    return f"{_number(shape.partitions, 'partition')}, {_number(shape.replicas, 'replica')}"


def _number(of: int, what: str) -> str:
    return f"{of:,} {what}" if of == 1 else f"{of:,} {what}s"


def _records(topic: str) -> str:
    """With those that Kafka keeps for its transactions, which have offsets, too."""
    found = bounds(admin_client(), topic, KAFKA_SECONDS).values()
    return f"{sum(end - begin for begin, end in found):,}"
