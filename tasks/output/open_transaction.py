"""A transaction that someone leaves open on `unique-counts`.

Readers see nothing behind its first record until it ends, so neither what was published last nor what is
published now could be read back. Who has it, only Kafka's own tools can tell.
"""

import time
from collections.abc import Callable

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from django.conf import settings

from counter.kafka.client import prefixed
from tasks.errors import Halt, KafkaAway
from tasks.kafka.topics import PARTITION, UNIQUE_COUNTS
from tasks.kafka.triage import asking

ASK_SECONDS = 5.0
WAIT_SECONDS = 10.0
"""For one that is about to end."""

PAUSE_SECONDS = 0.1


def wait_decided(admin: AdminClient, keep_alive: Callable[[], None]) -> None:
    """Until every record of the topic is committed or aborted.

    To be called after `init_transactions()`: what an older flusher left open is decided then. Raises Halt
    where someone's transaction stays open; KafkaAway.
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
    return None if since is None else Halt(_explain(since))


def open_since(admin: AdminClient) -> int | None:
    """The offset of the first record that is neither committed nor aborted yet. Raises KafkaAway."""
    with asking():
        decided = _end(admin, IsolationLevel.READ_COMMITTED)
        return decided if decided < _end(admin, IsolationLevel.READ_UNCOMMITTED) else None


def _end(admin: AdminClient, level: IsolationLevel) -> int:
    partition = TopicPartition(prefixed(UNIQUE_COUNTS), PARTITION)
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = admin.list_offsets({partition: latest}, isolation_level=level, request_timeout=ASK_SECONDS)
    return int(asked[partition].result().offset)


def _explain(since: int) -> str:
    topic = prefixed(UNIQUE_COUNTS)
    tool = f"kafka-transactions.sh --bootstrap-server {settings.KAFKA_BOOTSTRAP_SERVERS}"
    where = f"--topic {topic} --partition {PARTITION}"
    return (
        f"someone's transaction has been open on {topic} since offset {since}, and nothing behind it can be"
        f" read. It ends by itself at its time limit. Whose it is says: {tool} describe-producers {where};"
        f" and this ends it: {tool} abort {where} --start-offset {since}"
    )
