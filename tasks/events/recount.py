"""Recount: the counts of some minutes, made again from the events alone.

A minute's first record in a partition is the first one appended at its beginning or later: all records before
it have earlier append times, so they belong to earlier minutes. From there on the rule is the consolidator's.
The counts are kept in a file, so that memory stays the same however many ids there are.
"""

import sqlite3
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from counter.ids import Id
from counter.kafka.client import REQUESTS, client_config, prefixed
from counter.kafka.requests import Records, stretches
from counter.minute import EPOCH, Minute
from counter.store.counts import Stats
from tasks.kafka.errors import KafkaAway

BATCH = 10_000
CHUNK = 1000
ASK_SECONDS = 20.0
POLL_SECONDS = 0.1

Counts = Mapping[str, Mapping[Id, int]]
"""Counter -> id -> how often."""

Advance = Callable[[int], None]
"""Told how many more records have been read."""


class CannotTell(Exception):
    """The topics do not hold all of these minutes, any more or yet."""


class Recount:
    """(minute, counter, id) -> count, in a file that is gone when it is closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tally-recount-")
        self._file = sqlite3.connect(Path(self._folder.name) / "counts", isolation_level=None)
        self._file.executescript(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
            CREATE TABLE counts (minute INTEGER, counter TEXT, id, counted INTEGER, published INTEGER,
                                 PRIMARY KEY (minute, counter, id)) WITHOUT ROWID;
            BEGIN
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._folder.cleanup()

    def count(self, minute: Minute, counts: Counts) -> None:
        """So many more events of each id."""
        self._add("counted", minute, counts)

    def publish(self, minute: Minute, counts: Counts) -> None:
        """So much was published for each id."""
        self._add("published", minute, counts)

    def counters(self, minute: Minute) -> list[str]:
        """The named counters that have events in the minute."""
        sql = "SELECT DISTINCT counter FROM counts WHERE minute = ? AND counter <> '' ORDER BY counter"
        return [counter for (counter,) in self._file.execute(sql, [minute.number])]

    def stats(self, minute: Minute, counter: str) -> Stats:
        """What was counted of the minute."""
        sql = (
            "SELECT count(*), coalesce(sum(counted), 0) FROM counts"
            " WHERE minute = ? AND counter = ? AND counted > 0"
        )
        return Stats(*self._file.execute(sql, [minute.number, counter]).fetchone())

    def counts(self, minute: Minute, counter: str) -> Iterator[list[tuple[Id, int]]]:
        """(id, count) of all events of the minute, a chunk at a time."""
        sql = "SELECT id, counted FROM counts WHERE minute = ? AND counter = ? AND counted > 0 ORDER BY id"
        found = self._file.execute(sql, [minute.number, counter])
        while chunk := found.fetchmany(CHUNK):
            yield chunk

    def differences(self) -> Iterator[tuple[Minute, str, Id, int, int]]:
        """(minute, counter, id, counted, published) wherever the last two are not the same."""
        sql = "SELECT * FROM counts WHERE counted <> published ORDER BY minute, counter, id"
        for minute, counter, id, counted, published in self._file.execute(sql):
            yield Minute(minute), counter, id, counted, published

    def _add(self, column: str, minute: Minute, counts: Counts) -> None:
        first, second = (0, 1) if column == "published" else (1, 0)
        sql = (
            f"INSERT INTO counts VALUES (?, ?, ?, {first} * ?, {second} * ?) "  # noqa: S608
            f"ON CONFLICT DO UPDATE SET {column} = {column} + excluded.{column}"
        )
        number = minute.number
        for counter, of in counts.items():
            self._file.executemany(sql, ((number, counter, id, n, n) for id, n in sorted(of.items())))


def read_ends() -> dict[int, int]:
    """The offset after the last record of each partition. Raises KafkaAway or CannotTell."""
    with Reader(EPOCH, EPOCH) as reader:
        return reader.ends()


class Reader:
    """Reads `requests` from minute `first` through `last`, partition by partition. Raises KafkaAway."""

    def __init__(self, first: Minute, last: Minute) -> None:
        self._first, self._last = first, last
        self._topic = prefixed(REQUESTS)
        self._consumer = Consumer(
            client_config()
            | {
                "group.id": prefixed("tally-recount"),  # the client insists on one
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,  # the end of a partition is worth no wait
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._consumer.close()

    def read(self, tally: Recount, advance: Advance) -> None:
        """Count all of it. Raises CannotTell where the topic does not hold all of it."""
        for partition in self._partitions():
            start = self._start(partition)
            self._read(partition, start, tally, advance)

    def records(self) -> int:
        """How many records there are to read, about."""
        last = int((self._last + 1).end * 1000)
        return sum(
            max(0, self._find(partition, last) - self._start(partition)) for partition in self._partitions()
        )

    def ends(self) -> dict[int, int]:
        """The offset after the last record of each partition."""
        return {partition: self._bounds(partition)[1] for partition in self._partitions()}

    def _partitions(self) -> list[int]:
        try:
            topic = self._consumer.list_topics(self._topic, timeout=ASK_SECONDS).topics[self._topic]
        except KafkaException as error:
            raise KafkaAway(error.args[0].str()) from error
        if topic.error:
            raise CannotTell(f"the topic {self._topic} can't be read: {topic.error.str()}")
        return sorted(topic.partitions)

    def _start(self, partition: int) -> int:
        """Where the first minute begins in a partition. Raises CannotTell where that is gone."""
        low, _ = self._bounds(partition)
        start = self._find(partition, int(self._first.start.timestamp() * 1000))
        if start == low > 0:
            raise CannotTell(f"partition {partition} of requests no longer has all of {self._first}")
        return start

    def _find(self, partition: int, milliseconds: int) -> int:
        """The first offset with this append time or a later one; the partition's end without one."""
        _, high = self._bounds(partition)
        try:
            [found] = self._consumer.offsets_for_times(
                [TopicPartition(self._topic, partition, milliseconds)], ASK_SECONDS
            )
        except KafkaException as error:
            raise KafkaAway(error.args[0].str()) from error
        return found.offset if found.offset >= 0 else high

    def _bounds(self, partition: int) -> tuple[int, int]:
        try:
            return self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), ASK_SECONDS)
        except KafkaException as error:
            raise KafkaAway(error.args[0].str()) from error

    def _read(self, partition: int, start: int, tally: Recount, advance: Advance) -> None:
        self._consumer.assign([TopicPartition(self._topic, partition, start)])
        at, deadline = 0, time.monotonic() + ASK_SECONDS
        while True:
            records, is_end = self._poll()
            advance(len(records.offsets))
            counts: dict[str, Counter[Id]] = defaultdict(Counter)
            minute = self._first
            for stretch in stretches(records, at):
                if stretch.minute != minute:
                    tally.count(minute, counts)
                    minute, counts = stretch.minute, defaultdict(Counter)
                if minute > self._last:
                    return
                for counter, ids in stretch.ids.items():
                    counts[counter].update(ids)
                at = stretch.time
            tally.count(minute, counts)
            if is_end:
                raise CannotTell(f"{self._last} is not over yet in partition {partition} of requests")
            if records.offsets:
                deadline = time.monotonic() + ASK_SECONDS
            elif time.monotonic() > deadline:
                raise KafkaAway("requests could not be read in time")

    def _poll(self) -> tuple[Records, bool]:
        """The next records, and whether they are the last of the partition."""
        records, is_end = Records(), False
        for message in self._consumer.consume(BATCH, POLL_SECONDS):
            if not (error := message.error()):
                records.add(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                is_end = True
            else:
                raise KafkaAway(error.str())
        return records, is_end
