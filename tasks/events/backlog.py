"""Backlog: events that were accepted and are not counted, as an operator wants to hear of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from counter.kafka.client import REQUESTS, prefixed
from counter.store.offsets import Position, counted_to
from tasks.kafka.offsets import answers, ask, partitions_of
from tasks.kafka.triage import asking


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

    Kafka has two times `seconds` to answer. Raises KafkaAway.
    """
    with asking():
        partitions = partitions_of(admin, prefixed(REQUESTS), seconds)
        new = [each for each in partitions if each.partition not in positions]
        earlier = OffsetSpec.for_timestamp(int(before * 1000))
        # All are asked at once, and answer at once.
        asked_ends = ask(admin, partitions, OffsetSpec.latest(), seconds)  # type: ignore[no-untyped-call]
        asked_cuts = ask(admin, partitions, earlier, seconds)
        asked_starts = ask(admin, new, OffsetSpec.earliest(), seconds)  # type: ignore[no-untyped-call]
        ends, cuts, starts = answers(asked_ends), answers(asked_cuts), answers(asked_starts)
    late: dict[int, int] = {}
    for partition, end in ends.items():
        counted = counted_to(positions.get(partition, []), begin=starts.get(partition, 0))
        cut = cuts[partition] if cuts[partition] >= 0 else end  # nothing came since
        late[partition] = max(0, cut - counted)
    behind = (_read_to(positions.get(partition, [])) for partition, events in late.items() if events)
    return Backlog(sum(late.values()), min(behind, default=0.0))


def _read_to(positions: list[Position]) -> float:
    return min((each.time for each in positions), default=0) / 1000
