"""The topics as a consumer sees them: committed records alone, from the beginning to the end."""

import json
from collections import defaultdict
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from django.conf import settings

from tasks.topics import ID_COUNTS, UNIQUE_COUNTS


def read(topic: str) -> list[dict[str, Any]]:
    """Every committed value of the topic, partition by partition, in order."""
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
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    values: dict[int, list[dict[str, Any]]] = defaultdict(list)
    ended: set[int] = set()
    while len(ended) < len(partitions):
        message = consumer.poll(30)
        assert message, "Kafka does not answer"
        partition = message.partition() or 0
        if message.error():
            ended.add(partition)
            continue
        value = json.loads(message.value() or b"")
        assert (message.key() or b"").decode() == str(value["id" if topic == ID_COUNTS else "minute"])
        values[partition].append(value)
    consumer.close()
    return [value for partition in sorted(values) for value in values[partition]]


def unique_counts() -> list[tuple[str, int, int]]:
    """(minute, unique, total) of every published minute, in order."""
    return [(value["minute"], value["unique"], value["total"]) for value in read(UNIQUE_COUNTS)]


def read_id_counts() -> list[tuple[str, int, int]]:
    """(minute, id, count) of every record, in no particular order."""
    return [(value["minute"], value["id"], value["count"]) for value in read(ID_COUNTS)]


def id_counts() -> dict[str, dict[int, int]]:
    """minute -> id -> count; an id that stands twice in a minute is an error."""
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    for minute, id, count in read_id_counts():
        assert id not in counts[minute], f"published twice: {id} in {minute}"
        counts[minute][id] = count
    return dict(counts)
