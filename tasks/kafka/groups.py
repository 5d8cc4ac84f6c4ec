"""Groups: who reads a topic in a consumer group, and how far behind its end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from tasks.kafka.offsets import bounds
from tasks.kafka.triage import asking

MAX_GROUPS = 200
"""That are asked about, the first by name: others may use the same brokers."""

MARKERS = 1
"""A transaction ends with one, which is no record and which a reader at the end may still have before it."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Of one group in one topic."""

    group: str
    records: int
    """About: with the markers of transactions between them"""


def lags(admin: AdminClient, topic: str, seconds: float) -> list[Lag]:
    """Of the groups that have committed an offset of the topic, by name; of those that we may describe.

    Kafka has some times `seconds` to answer. Raises KafkaAway.
    """
    ends = {partition: end for partition, (_, end) in bounds(admin, topic, seconds).items()}
    with asking():
        listed = admin.list_consumer_groups(request_timeout=seconds).result().valid
        names = sorted(each.group_id for each in listed)[:MAX_GROUPS]
        asked = {name: _ask(admin, name, seconds) for name in names}
        committed = {name: future.result().topic_partitions for name, future in asked.items()}
    return list(_lags(committed, topic, ends))


def _ask(admin: AdminClient, group: str, seconds: float) -> Any:
    return admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=seconds)[
        group
    ]


def _lags(
    committed: Mapping[str, Sequence[TopicPartition]], topic: str, ends: Mapping[int, int]
) -> Iterator[Lag]:
    for group, partitions in committed.items():
        of_topic = [each for each in partitions if each.topic == topic and each.offset >= 0]
        if of_topic:
            yield Lag(
                group, sum(max(0, ends.get(each.partition, 0) - each.offset - MARKERS) for each in of_topic)
            )
