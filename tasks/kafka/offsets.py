"""Offsets of a topic, by its name in Kafka, as its brokers tell them now."""

from collections.abc import Mapping
from concurrent.futures import Future

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from tasks.kafka.triage import asking

Offsets = Mapping[int, int]
"""Partition -> offset."""

Asked = Mapping[TopicPartition, "Future[ListOffsetsResultInfo]"]


def bounds(admin: AdminClient, topic: str, seconds: float) -> dict[int, tuple[int, int]]:
    """The first offset of each partition, and the one after its last; none where there is no such topic.

    Kafka has two times `seconds` to answer. Raises KafkaAway.
    """
    with asking():
        partitions = partitions_of(admin, topic, seconds)
        asked_begins = ask(admin, partitions, OffsetSpec.earliest(), seconds)  # type: ignore[no-untyped-call]
        asked_ends = ask(admin, partitions, OffsetSpec.latest(), seconds)  # type: ignore[no-untyped-call]
        begins, ends = answers(asked_begins), answers(asked_ends)
    return {partition: (begins[partition], ends[partition]) for partition in sorted(ends)}


def partitions_of(admin: AdminClient, topic: str, seconds: float) -> list[TopicPartition]:
    """None where there is no such topic yet. It is not asked for by name, by which a broker might make it.

    Raises KafkaException.
    """
    found = admin.list_topics(timeout=seconds).topics.get(topic)
    return [TopicPartition(topic, partition) for partition in found.partitions] if found else []


def ask(admin: AdminClient, partitions: list[TopicPartition], which: OffsetSpec, seconds: float) -> Asked:
    """Returns at once, so that more can be asked beside it."""
    if not partitions:
        return {}
    return admin.list_offsets(dict.fromkeys(partitions, which), request_timeout=seconds)


def answers(asked: Asked) -> Offsets:
    """Waits for them. Raises KafkaException."""
    return {partition.partition: int(offset.result().offset) for partition, offset in asked.items()}
