"""PublishedLog: `unique-counts` read back. Its last committed record says which minute was published last."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Self

from confluent_kafka import Message

from counter.kafka.client import prefixed
from counter.minute import Minute
from tasks.errors import BadRecord
from tasks.kafka.reader import TopicReader
from tasks.kafka.topics import PARTITION, UNIQUE_COUNTS
from tasks.output.records import UniqueCount


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

    def __init__(self, prefix: str = "", seconds: float | None = None) -> None:
        """With a prefix, of a replay. Kafka has `seconds` for each answer, or ASK_SECONDS."""
        self._reader = TopicReader(prefixed(f"{prefix}{UNIQUE_COUNTS}"), "tally-log", seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()

    def last(self) -> Published | None:
        """The last committed record; None when there is none. Raises BadRecord when it can't be read."""
        for messages, _ in self._reader.look_back(PARTITION):
            if last := deque(messages, maxlen=1):
                return _published(last.pop())
        return None

    def last_minute(self) -> list[Published]:
        """The records of the last published minute, those of all its counters; none that can't be read."""
        for messages, is_all in self._reader.look_back(PARTITION):
            found = list(_readable(messages))
            if found and (is_all or found[0].record.minute < found[-1].record.minute):
                return [each for each in found if each.record.minute == found[-1].record.minute]
        return []

    def back_to(self, minute: Minute) -> list[Published]:
        """The committed records from this minute's on, and some before it; none that can't be read."""
        for messages, is_all in self._reader.look_back(PARTITION):
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
        low, high = self._reader.bounds(PARTITION)
        start = offset + 1 if low <= offset < high else low
        return map(_published, self._messages(start)) if start < high else iter(())

    def count_partitions(self, topic: str) -> int:
        """How many partitions a topic has at this moment."""
        return len(self._reader.partitions(topic))

    def is_used(self, partition: int) -> bool:
        """Whether a partition has records, whoever wrote them."""
        low, high = self._reader.bounds(partition)
        return low < high

    def _messages(self, start: int, beyond: int = -1) -> Iterator[Message]:
        return chain.from_iterable(self._reader.read(PARTITION, start, beyond=beyond))


def _published(message: Message) -> Published:
    record = UniqueCount.read(message.key(), message.value(), message.headers())
    return Published(record, message.offset() or 0)


def _readable(messages: Iterable[Message]) -> Iterator[Published]:
    for message in messages:
        with suppress(BadRecord):
            yield _published(message)
