"""Backlog: events that were accepted and are not counted, as an operator wants to hear of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from counter.kafka.client import REQUESTS, prefixed
from counter.store.offsets import Position
from tasks.kafka.errors import KafkaAway

Ends = Mapping[int, int]
"""Partition -> offset."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has waited for longer than it should."""

    events: int
    """0 where consolidators keep up."""
    since: float
    """Unix seconds; everything appended before is counted. 0 where nothing was ever counted."""


def backlog(
    admin: AdminClient, positions: Mapping[int, list[Position]], before: float, seconds: float
) -> Backlog:
    """The events appended before the Unix time `before` that `positions` have not passed.

    Asks for no longer than `seconds`, a few times. Raises KafkaAway.
    """
    try:
        partitions = _partitions(admin, seconds)
        ends = _offsets(admin, partitions, OffsetSpec.latest(), seconds)  # type: ignore[no-untyped-call]
        earlier = OffsetSpec.for_timestamp(int(before * 1000))
        cuts = _offsets(admin, partitions, earlier, seconds)
        new = [each for each in partitions if each.partition not in positions]
        starts = _offsets(admin, new, OffsetSpec.earliest(), seconds)  # type: ignore[no-untyped-call]
    except KafkaException as error:
        raise KafkaAway(error.args[0].str()) from error
    late: dict[int, int] = {}
    for partition, end in ends.items():
        counted = min((each.next for each in positions.get(partition, [])), default=starts.get(partition, 0))
        cut = cuts[partition] if cuts[partition] >= 0 else end  # nothing came since
        late[partition] = max(0, cut - counted)
    behind = (_read_to(positions.get(partition, [])) for partition, events in late.items() if events)
    return Backlog(sum(late.values()), min(behind, default=0.0))


def _partitions(admin: AdminClient, seconds: float) -> list[TopicPartition]:
    """None where there is no such topic yet. It is not asked for by name, by which a broker might make it."""
    name = prefixed(REQUESTS)
    topic = admin.list_topics(timeout=seconds).topics.get(name)
    return [TopicPartition(name, partition) for partition in topic.partitions] if topic else []


def _offsets(admin: AdminClient, partitions: list[TopicPartition], which: OffsetSpec, seconds: float) -> Ends:
    if not partitions:
        return {}
    asked = admin.list_offsets(dict.fromkeys(partitions, which), request_timeout=seconds)
    return {partition.partition: int(offset.result().offset) for partition, offset in asked.items()}


def _read_to(positions: list[Position]) -> float:
    return min((each.time for each in positions), default=0) / 1000
