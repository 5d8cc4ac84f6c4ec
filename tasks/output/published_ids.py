"""PublishedIds: the ids of one published minute, read back from `id-counts` a slice at a time."""

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from confluent_kafka import Message
from msgspec import DecodeError, Struct
from msgspec.json import Decoder

from counter.counters import DEFAULT
from counter.ids import Id
from counter.kafka.client import prefixed
from counter.minute import Minute
from tasks.kafka.reader import TopicReader
from tasks.kafka.topics import ID_COUNTS

MARGIN = timedelta(seconds=10)
"""Between the clock of the worker, which says when a minute was published, and that of a broker."""

BATCH = 10_000
SLICE_RECORDS = 50_000
SLICE_SECONDS = 1.0
"""A slice ends with whichever comes first."""

_position = re.compile(r"([0-9]{1,9}):([0-9]{1,18})").fullmatch


class _IdCount(Struct):
    minute: str
    id: int | str
    count: int
    counter: str = DEFAULT


_decode = Decoder(_IdCount).decode


@dataclass(frozen=True, slots=True)
class Slice:
    """Some ids of the minute."""

    counts: list[tuple[Id, int]]
    next: str | None
    """Where the next slice begins; None after the last."""


def newest_minute(partitions: Iterable[int]) -> Minute | None:
    """The newest one of which these partitions have a committed id-count. Raises KafkaAway or NoTopic."""
    with TopicReader(prefixed(ID_COUNTS), "tally-log") as reader:
        return max(filter(None, (_last_minute(reader, each) for each in partitions)), default=None)


def _last_minute(reader: TopicReader, partition: int) -> Minute | None:
    """Of the last record that can be read."""
    for messages, _ in reader.look_back(partition):
        if last := deque(filter(None, map(_minute, messages)), maxlen=1):
            return last.pop()
    return None


def _minute(message: Message) -> Minute | None:
    with suppress(ValueError):  # DecodeError is one
        return Minute.parse(_decode(message.value() or b"").minute)
    return None


class PublishedIds:
    """Of a counter's minute that was published after `since` and at `until`. Raises KafkaAway or NoTopic.

    The records of its ids lie between the two. Kafka has `seconds` for each answer.
    """

    def __init__(
        self, minute: Minute, counter: str, since: datetime, until: datetime, seconds: float
    ) -> None:
        self._minute, self._counter = str(minute), counter
        self._since, self._until = (int(at.timestamp() * 1000) for at in (since - MARGIN, until + MARGIN))
        self._seconds = seconds

    def slice(self, start: str = "") -> Slice:
        """The slice that begins at `start`: the `next` of another, or empty for the first."""
        counts: list[tuple[Id, int]] = []
        with TopicReader(prefixed(ID_COUNTS), "tally-log", self._seconds) as reader:
            next = self._read(reader, start, counts)
        return Slice(counts, next)

    def _read(self, reader: TopicReader, start: str, counts: list[tuple[Id, int]]) -> str | None:
        read, deadline = 0, time.monotonic() + SLICE_SECONDS
        found = _position(start)
        begin = int(found[1]) if found else 0
        for partition in reader.partitions():
            if partition < begin:
                continue
            offset = int(found[2]) if found and partition == begin else reader.find(partition, self._since)
            for messages in self._batches(reader, partition, offset):
                counts += filter(None, map(self._count, messages))
                read += len(messages)
                if read >= SLICE_RECORDS or time.monotonic() > deadline:
                    return f"{partition}:{(messages[-1].offset() or 0) + 1}"
        return None

    def _batches(self, reader: TopicReader, partition: int, offset: int) -> Iterator[list[Message]]:
        """To the end of what may be the minute's."""
        low, end = reader.bounds(partition)
        if offset >= end:
            return
        for messages in reader.read(partition, max(low, offset), most=BATCH):
            yield messages
            if messages[-1].timestamp()[1] > self._until:
                return

    def _count(self, message: Message) -> tuple[Id, int] | None:
        try:
            record = _decode(message.value() or b"")
        except DecodeError:
            return None
        is_ours = (record.minute, record.counter) == (self._minute, self._counter)
        return (record.id, record.count) if is_ours else None
