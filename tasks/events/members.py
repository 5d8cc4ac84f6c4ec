"""Members: the consolidators that are at work, as Kafka knows them by their heartbeats."""

from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from tasks.events.group import group
from tasks.kafka.triage import asking


@dataclass(frozen=True, slots=True)
class Member:
    """A consolidator; Kafka takes its partitions away when it has not heard of it for SESSION_MS."""

    name: str
    """With its host and its process id"""
    partitions: tuple[int, ...]


def members(admin: AdminClient, tally: str, seconds: float) -> list[Member]:
    """Those of the Tally of this name, by name. Raises KafkaAway after so many seconds."""
    name = group(tally)
    with asking():
        [described] = admin.describe_consumer_groups([name], request_timeout=seconds).values()
        found = described.result().members
    return sorted(
        (
            Member(each.client_id, tuple(sorted(of.partition for of in each.assignment.topic_partitions)))
            for each in found
        ),
        key=lambda member: member.name,
    )
