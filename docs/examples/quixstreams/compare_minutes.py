"""Compares what Tally published with what `count_minutes.py` counted, minute by minute.

`python compare_minutes.py BROKERS` prints a table; its exit status is 1 if any minute differs. Minutes that
Tally has not published yet are left out.
"""

import json
import sys
from typing import Any

from confluent_kafka import Consumer, TopicPartition

OURS, THEIRS = "unique-counts", "quix-unique-counts"
TIMEOUT_SECONDS = 30


def last_values(brokers: str, topic: str) -> dict[str, dict[str, Any]]:
    """Minute -> the last committed value that is there for it."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "compare-minutes",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    partitions = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    found: dict[str, dict[str, Any]] = {}
    left = len(partitions)
    while left:
        message = consumer.poll(TIMEOUT_SECONDS)
        if message is None:
            sys.exit("Kafka does not answer")
        if message.error():
            left -= 1
        else:
            value = json.loads(message.value() or b"")
            found[value["minute"]] = value
    consumer.close()
    return found


def main(brokers: str) -> None:
    """A table, and the exit status."""
    ours, theirs = last_values(brokers, OURS), last_values(brokers, THEIRS)
    nothing = {"unique": 0, "total": 0}
    differences = 0
    print(f"{'minute':<12}  {'Tally: unique':>13} {'total':>9}  {'Quix: unique':>13} {'total':>9}")
    for minute, of in sorted(ours.items()):
        other = theirs.get(minute, nothing)
        same = (of["unique"], of["total"]) == (other["unique"], other["total"])
        differences += not same
        numbers = f"{of['unique']:>13,} {of['total']:>9,}  {other['unique']:>13,} {other['total']:>9,}"
        print(f"{minute:<12}  {numbers}{'' if same else '  differs'}")
    print(f"{len(ours)} minutes, {differences or 'no'} difference{'s' * (differences > 1)}")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main(sys.argv[1])
