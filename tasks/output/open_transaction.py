"""A transaction that someone leaves open on `unique-counts`.

Readers see nothing behind its first record until it ends, so neither what was published last nor what is
published now could be read back. Who has it, only Kafka's own tools can tell. It may be one of our own: Kafka
forgets to end one in a partition that has no leader at that moment (KAFKA-20734).
"""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from django.conf import settings

from counter.kafka.client import prefixed
from tasks.errors import Halt, KafkaAway
from tasks.kafka.offsets import partitions_of
from tasks.kafka.topics import ID_COUNTS, PARTITION, UNIQUE_COUNTS
from tasks.kafka.triage import asking
from tasks.output.published_ids import newest_minute
from tasks.output.published_log import PublishedLog

ASK_SECONDS = 5.0
WAIT_SECONDS = 5.0
"""For one that is about to end."""

PAUSE_SECONDS = 0.1


class LeftOpen(Halt):
    """Nothing behind the record at offset `since` can be read."""

    def __init__(self, since: int) -> None:
        super().__init__(_explain(since))
        self.since = since


def wait_decided(admin: AdminClient, keep_alive: Callable[[], None]) -> None:
    """Until every record of the topic is committed or aborted.

    To be called after `init_transactions()`: what an older flusher left open is decided then. Raises LeftOpen
    where a transaction stays open; KafkaAway.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while failure := _failure(admin):
        if time.monotonic() > deadline:
            raise failure
        keep_alive()
        time.sleep(PAUSE_SECONDS)


def _failure(admin: AdminClient) -> Exception | None:
    try:
        since = open_since(admin)
    except KafkaAway as error:  # or the partition has just got another leader
        return error
    return None if since is None else LeftOpen(since)


def open_since(admin: AdminClient) -> int | None:
    """The offset of the first record that is neither committed nor aborted yet. Raises KafkaAway."""
    with asking():
        found = _undecided(admin, [_of_unique_counts()])
    return found[0].offset if found else None


def open_partitions(admin: AdminClient) -> list[TopicPartition]:
    """Of all topics with counts, each with the offset of its first undecided record. Raises KafkaAway."""
    with asking():
        return _undecided(admin, [_of_unique_counts(), *_of_id_counts(admin)])


def is_read_in_part(admin: AdminClient, undecided: Sequence[TopicPartition], log: PublishedLog) -> bool:
    """Whether ids can be read of a minute whose record can't: a part was committed. Raises KafkaAway."""
    with asking():
        decided = {of.partition for of in _of_id_counts(admin)}
    decided -= {of.partition for of in undecided if of.topic == prefixed(ID_COUNTS)}
    newest, last = newest_minute(decided), log.last()
    return newest is not None and (last is None or newest > last.record.minute)


def _of_unique_counts() -> TopicPartition:
    return TopicPartition(prefixed(UNIQUE_COUNTS), PARTITION)


def _of_id_counts(admin: AdminClient) -> list[TopicPartition]:
    return partitions_of(admin, prefixed(ID_COUNTS), ASK_SECONDS) if settings.PUBLISH_ID_COUNTS else []


def _undecided(admin: AdminClient, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
    decided = _ends(admin, partitions, IsolationLevel.READ_COMMITTED)
    ends = _ends(admin, partitions, IsolationLevel.READ_UNCOMMITTED)
    return [
        TopicPartition(of.topic, of.partition, since)
        for of, since, end in zip(partitions, decided, ends, strict=True)
        if since < end
    ]


def _ends(admin: AdminClient, partitions: Sequence[TopicPartition], level: IsolationLevel) -> list[int]:
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = admin.list_offsets(
        dict.fromkeys(partitions, latest), isolation_level=level, request_timeout=ASK_SECONDS
    )
    return [int(asked[partition].result().offset) for partition in partitions]


def _explain(since: int) -> str:
    topic = prefixed(UNIQUE_COUNTS)
    tool = f"kafka-transactions.sh --bootstrap-server {settings.KAFKA_BOOTSTRAP_SERVERS}"
    where = f"--topic {topic} --partition {PARTITION}"
    return (
        f"someone's transaction has been open on {topic} since offset {since}, and nothing behind it can be"
        f" read. It ends by itself at its time limit. Whose it is says: {tool} describe-producers {where};"
        f" and this ends it: {tool} abort {where} --start-offset {since}"
    )
