"""PublishedLog: `unique-counts` read back. Its last committed record says which minute was published last."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from counter.kafka.client import client_config, prefixed
from counter.minute import Minute
from tasks.kafka.errors import KafkaAway
from tasks.kafka.topics import PARTITION, UNIQUE_COUNTS
from tasks.publishing.records import BadRecord, UniqueCount

STEP_BACK = 16
"""Offsets; enough for the last record and its control markers. A tail of aborted ones takes a wider look."""

READ_SECONDS = 20.0
"""Without a record, after which Kafka counts as away."""

POLL_SECONDS = 1.0


PAUSE_SECONDS = 0.1

_NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
"""For a moment: the topic was just made, or a broker was stopped."""

_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


class NoTopic(Exception):
    """`unique-counts`, or another topic that was asked for, does not exist."""


@dataclass(frozen=True, slots=True)
class Published:
    """A record, and where it is."""

    record: UniqueCount
    offset: int


class PublishedLog:
    """A reader that sees committed records alone, each time up to the end. Raises KafkaAway or NoTopic.

    It belongs to no consumer group, and stores no offset. `last` may only be trusted after
    `init_transactions()`: before, an older flusher's transaction may still be committed.
    """

    def __init__(self, prefix: str = "", seconds: float = 0.0) -> None:
        """With a prefix, of a replay. Kafka has `seconds` for each answer, and READ_SECONDS without."""
        self._seconds = seconds or READ_SECONDS
        self._topic = prefixed(f"{prefix}{UNIQUE_COUNTS}")
        self._consumer = Consumer(
            client_config()
            | {
                "group.id": prefixed("tally-log"),  # the client insists on one
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
        self._consumer.close()

    def last(self) -> Published | None:
        """The last committed record; None when there is none. Raises BadRecord when it can't be read."""
        for messages, _ in self._looks_back():
            if last := deque(messages, maxlen=1):
                return _published(last.pop())
        return None

    def last_minute(self) -> list[Published]:
        """The records of the last published minute, those of all its counters; none that can't be read."""
        for messages, is_all in self._looks_back():
            found = list(_readable(messages))
            if found and (is_all or found[0].record.minute < found[-1].record.minute):
                return [each for each in found if each.record.minute == found[-1].record.minute]
        return []

    def back_to(self, minute: Minute) -> list[Published]:
        """The committed records from this minute's on, and some before it; none that can't be read."""
        for messages, is_all in self._looks_back():
            found = list(_readable(messages))
            if is_all or (found and found[0].record.minute < minute):
                return found
        return []

    def since(self, offset: int) -> Iterator[Published]:
        """The committed records from `offset` on; waits until there is one, and reads to the end.

        Raises BadRecord for one that can't be read.
        """
        return map(_published, self._messages(offset, beyond=offset))

    def beyond(self, offset: int) -> Iterator[Published]:
        """Every committed record behind `offset`, the oldest first, to the end.

        All there are, where the topic has been made anew and does not reach so far. Raises BadRecord as
        `since` does.
        """
        low, high = self._bounds()
        start = offset + 1 if low <= offset < high else low
        return map(_published, self._messages(start)) if start < high else iter(())

    def count_partitions(self, topic: str) -> int:
        """How many partitions a topic has at this moment."""
        try:
            found = self._consumer.list_topics(topic, timeout=self._seconds).topics[topic]
        except KafkaException as error:
            raise _failure(error.args[0], topic) from error
        if found.error:
            raise _failure(found.error, topic)
        return len(found.partitions)

    def is_used(self, partition: int) -> bool:
        """Whether a partition has records, whoever wrote them."""
        low, high = self._bounds(partition)
        return low < high

    def _looks_back(self) -> Iterator[tuple[Iterator[Message], bool]]:
        """The records at the end, each time of a wider look, and whether these are all there are."""
        low, high = self._bounds()
        start, back = high, STEP_BACK
        while start > low:
            start = max(low, high - back)
            yield self._messages(start), start == low
            back *= STEP_BACK

    def _bounds(self, partition: int = PARTITION) -> tuple[int, int]:
        where, deadline = TopicPartition(self._topic, partition), time.monotonic() + self._seconds
        while True:
            try:
                bounds = self._consumer.get_watermark_offsets(where, timeout=self._seconds)
            except KafkaException as error:
                if error.args[0].code() not in _NO_LEADER or time.monotonic() > deadline:
                    raise _failure(error.args[0], self._topic) from error
                time.sleep(PAUSE_SECONDS)
            else:
                if not bounds:
                    raise KafkaAway(f"no answer about the ends of {self._topic}")
                return bounds

    def _messages(self, start: int, beyond: int = -1) -> Iterator[Message]:
        """From `start` to the end of the partition, which must lie beyond `beyond`."""
        self._consumer.assign([TopicPartition(self._topic, PARTITION, start)])
        deadline = time.monotonic() + self._seconds
        seen = -1
        while time.monotonic() < deadline:
            message = self._consumer.poll(min(POLL_SECONDS, self._seconds))
            if message is None:  # an empty message is false, too
                continue
            if not (error := message.error()):
                seen = message.offset() or 0
                yield message
                deadline = time.monotonic() + self._seconds
            elif error.code() != KafkaError._PARTITION_EOF:
                raise _failure(error, self._topic)
            elif seen >= beyond:
                return
        raise KafkaAway(f"{self._topic} could not be read to its end in time")


def _published(message: Message) -> Published:
    record = UniqueCount.read(message.key(), message.value(), message.headers())
    return Published(record, message.offset() or 0)


def _readable(messages: Iterable[Message]) -> Iterator[Published]:
    for message in messages:
        with suppress(BadRecord):
            yield _published(message)


def _failure(error: KafkaError, topic: str) -> Exception:
    if error.code() in _NO_TOPIC:
        return NoTopic(f"the topic {topic} does not exist: run tally create_topics")
    return KafkaAway(error.str())
