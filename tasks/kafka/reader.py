"""TopicReader: a topic read to its end, with a limit of time for each answer."""

import time
from collections.abc import Iterator
from itertools import chain
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from counter.kafka.client import client_config, prefixed
from tasks.errors import KafkaAway, NoTopic
from tasks.kafka.triage import asking

ASK_SECONDS = 20.0
"""Without an answer, after which Kafka counts as away."""

STEP_BACK = 16
"""Offsets; enough for the last record and its control markers. A tail of aborted ones takes a wider look."""

PAUSE_SECONDS = 0.1
POLL_SECONDS = 1.0
BATCH_SECONDS = 0.1
"""The client waits so long for a batch to be full."""

_NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
"""For a moment: the topic was just made, or a broker was stopped."""

_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


class TopicReader:
    """Sees committed records alone. Every method raises KafkaAway or NoTopic.

    It belongs to no consumer group and stores no offset; the client insists on the name of a `group`. For one
    thread.
    """

    def __init__(self, topic: str, group: str, seconds: float | None = None) -> None:
        """`topic` is its name in Kafka, which has `seconds` for each answer, or ASK_SECONDS."""
        self.topic = topic
        self._seconds = seconds or ASK_SECONDS
        self._consumer = Consumer(
            client_config()
            | {
                "group.id": prefixed(group),  # the client insists on one
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                # The end of the partition is told when a fetch comes back empty: not after 500 ms, then.
                "fetch.wait.max.ms": 10,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """It is of no more use."""
        self._consumer.close()

    def partitions(self, topic: str = "") -> list[int]:
        """Those that the topic, or another one, has at this moment."""
        name = topic or self.topic
        with asking():
            found = self._consumer.list_topics(name, timeout=self._seconds).topics[name]
        if found.error:
            raise _failure(found.error, name)
        return sorted(found.partitions)

    def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset of a partition, and the one after its last."""
        where, deadline = TopicPartition(self.topic, partition), time.monotonic() + self._seconds
        while True:
            try:
                bounds = self._consumer.get_watermark_offsets(where, timeout=self._seconds)
            except KafkaException as error:
                if error.args[0].code() not in _NO_LEADER or time.monotonic() > deadline:
                    raise _failure(error.args[0], self.topic) from error
                time.sleep(PAUSE_SECONDS)
            else:
                if not bounds:
                    raise KafkaAway(f"no answer about the ends of {self.topic}")
                return bounds

    def find(self, partition: int, milliseconds: int) -> int:
        """The first offset with this time or a later one; the partition's end without one."""
        _, end = self.bounds(partition)
        where = TopicPartition(self.topic, partition, milliseconds)
        with asking():
            [found] = self._consumer.offsets_for_times([where], self._seconds)
        return found.offset if found.offset >= 0 else end

    def read(self, partition: int, start: int, *, beyond: int = -1, most: int = 1) -> Iterator[list[Message]]:
        """The records from `start` to the end of the partition, up to `most` at a time.

        With `beyond` it waits until the end lies beyond that offset.
        """
        self._consumer.assign([TopicPartition(self.topic, partition, start)])
        wait = min(self._seconds, POLL_SECONDS if most == 1 else BATCH_SECONDS)
        seen, deadline = -1, time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            messages, is_end = self._next(most, wait)
            if messages:
                seen = messages[-1].offset() or 0
                yield messages
                deadline = time.monotonic() + self._seconds
            if is_end and seen >= beyond:
                return
        raise KafkaAway(f"{self.topic} could not be read to its end in time")

    def look_back(self, partition: int) -> Iterator[tuple[Iterator[Message], bool]]:
        """The records at the end, each time of a wider look, and whether these are all there are."""
        low, high = self.bounds(partition)
        start, back = high, STEP_BACK
        while start > low:
            start = max(low, high - back)
            yield chain.from_iterable(self.read(partition, start)), start == low
            back *= STEP_BACK

    def _next(self, most: int, wait: float) -> tuple[list[Message], bool]:
        """Some records, and whether the partition ends there."""
        with asking():
            found = self._consumer.consume(most, wait)
        messages = [message for message in found if message.error() is None]
        for message in found:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise _failure(error, self.topic)
        return messages, len(messages) < len(found)


def _failure(error: KafkaError, topic: str) -> Exception:
    if error.code() in _NO_TOPIC:
        return NoTopic(f"the topic {topic} does not exist: run tally create_topics")
    return KafkaAway(error.str())
