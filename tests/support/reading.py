"""The topics as a consumer sees them: committed records alone, from the beginning to the end."""

import json
from collections import defaultdict
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from django.conf import settings

from counter.counters import DEFAULT
from counter.ids import Id
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tests.support.processes import wait_until

TIMEOUT_SECONDS = 30


def records(topic: str) -> list[tuple[bytes, bytes]]:
    """(key, value) of every committed record of the topic, partition by partition, in order."""
    return [(message.key() or b"", message.value() or b"") for message in messages(topic)]


def messages(topic: str) -> list[Message]:
    """The same with all that goes with a record."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
            "group.id": "tests",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,  # the end of an empty partition is worth no wait
        }
    )
    partitions = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    found: dict[int, list[Message]] = defaultdict(list)
    left = len(partitions)
    while left:
        message = consumer.poll(TIMEOUT_SECONDS)
        assert message, "Kafka does not answer"
        if message.error():
            left -= 1
        else:
            found[message.partition() or 0].append(message)
    consumer.close()
    return [message for partition in sorted(found) for message in found[partition]]


def wait_for_markers(topic: str) -> None:
    """Until no transaction is open: a commit is acknowledged before each partition has its marker."""
    with AdminClient({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS}) as admin:
        partitions = admin.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic].partitions

        def ends(level: IsolationLevel) -> dict[TopicPartition, int]:
            latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
            asked = {TopicPartition(topic, partition): latest for partition in partitions}
            futures = admin.list_offsets(asked, isolation_level=level, request_timeout=TIMEOUT_SECONDS)
            return {partition: future.result().offset for partition, future in futures.items()}

        wait_until(
            lambda: ends(IsolationLevel.READ_COMMITTED) == ends(IsolationLevel.READ_UNCOMMITTED),
            f"no transaction is open in {topic}",
        )


def read(topic: str) -> list[dict[str, Any]]:
    """Every committed value of the topic, whose key must fit."""
    found = [(key, json.loads(value)) for key, value in records(topic)]
    assert all(key.decode() == _key(topic, value) for key, value in found)
    return [value for _, value in found]


def _key(topic: str, value: dict[str, Any]) -> str:
    if topic == ID_COUNTS:
        return str(value["id"])
    return f"{value['counter']}:{value['minute']}" if "counter" in value else str(value["minute"])


def rows() -> list[tuple[str, str, int, int]]:
    """(minute, counter, unique, total) of every record of unique-counts, in order."""
    return [
        (value["minute"], value.get("counter", DEFAULT), value["unique"], value["total"])
        for value in read(UNIQUE_COUNTS)
    ]


def unique_counts(counter: str = DEFAULT) -> list[tuple[str, int, int]]:
    """(minute, unique, total) of every published minute of a counter, in order."""
    return [(minute, unique, total) for minute, of, unique, total in rows() if of == counter]


def headers(message: Message) -> dict[str, str]:
    """Those of a record, as text."""
    told = dict(message.headers() or ())
    return {
        name: value if isinstance(value, str) else (value or b"").decode() for name, value in told.items()
    }


def writers() -> dict[str, str]:
    """minute -> the name of the Redis that published it, empty for a record without one."""
    found: dict[str, str] = {}
    for message in messages(UNIQUE_COUNTS):
        found[(message.key() or b"").decode()] = headers(message).get("tally", "")
    return found


def read_id_counts(counter: str = DEFAULT) -> list[tuple[str, Id, int]]:
    """(minute, id, count) of every record, in no particular order. Nothing may be at work meanwhile."""
    wait_for_markers(ID_COUNTS)
    return [
        (value["minute"], value["id"], value["count"])
        for value in read(ID_COUNTS)
        if value.get("counter", DEFAULT) == counter
    ]


def id_counts(counter: str = DEFAULT) -> dict[str, dict[Id, int]]:
    """minute -> id -> count; an id that stands twice in a minute is an error."""
    counts: dict[str, dict[Id, int]] = defaultdict(dict)
    for minute, id, count in read_id_counts(counter):
        assert id not in counts[minute], f"published twice: {id} in {minute}"
        counts[minute][id] = count
    return dict(counts)


HOUR, DAY = len("2026-11-23 08"), len("2026-11-23")


def recount(length: int) -> list[tuple[str, int, int]]:
    """(hour or day, which have so many characters, ids, calls), of the records of `id-counts` themselves."""
    ids: dict[str, set[Id]] = defaultdict(set)
    calls: dict[str, int] = defaultdict(int)
    for minute, id, count in read_id_counts():
        begin = f"{minute[:4]}-{minute[4:6]}-{minute[6:8]} {minute[8:10]}"[:length]
        ids[begin].add(id)
        calls[begin] += count
    return [(begin, len(ids[begin]), calls[begin]) for begin in sorted(ids)]
