"""The audit: minutes counted again from the events, and what was published of them, side by side."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from counter.counters import DEFAULT
from counter.ids import Id
from counter.kafka.client import client_config, prefixed
from counter.minute import SECONDS, Minute
from counter.store.counts import Stats
from tasks.events.recount import ASK_SECONDS, BATCH, POLL_SECONDS, Advance, CannotTell, Reader, Recount
from tasks.kafka.errors import KafkaAway
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tasks.publishing.records import UniqueCount

MARGIN_MS = 10 * SECONDS * 1000
"""A minute is published after its end; by so much the flusher's clock may be behind, and more."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not the same: of a minute as a whole, or of one id."""

    minute: Minute
    counter: str
    what: str
    """`unique`, `total`, or the id"""
    counted: int
    published: int


class Audit:
    """Of the minutes from `first` through `last`. Use it once. Raises CannotTell or KafkaAway."""

    def __init__(self, first: Minute, last: Minute, *, id_counts: bool) -> None:
        self._first, self._last = first, last
        self._id_counts = id_counts

    def records(self) -> int:
        """How many events there are to read, about."""
        with Reader(self._first, self._last) as reader:
            return reader.records()

    def run(self, advance: Advance) -> Iterator[Difference]:
        """All differences, minute by minute."""
        with Recount() as tally:
            with Reader(self._first, self._last) as reader:
                reader.read(tally, advance)
            published = self._published()
            for minute in self._first.through(self._last):
                of_minute = {record.counter: record for record in published[minute]}
                for counter in sorted({*of_minute, *tally.counters(minute)}):
                    stats = of_minute[counter].stats if counter in of_minute else Stats()
                    yield from _compare(minute, counter, tally.stats(minute, counter), stats)
            if self._id_counts:
                last = max(record.published_at for of in published.values() for record in of)
                self._read_id_counts(tally, int(last.timestamp() * 1000))
                for minute, counter, id, counted, sent in tally.differences():
                    yield Difference(minute, counter, str(id), counted, sent)

    def _published(self) -> dict[Minute, list[UniqueCount]]:
        """All records of each minute."""
        found: dict[Minute, list[UniqueCount]] = defaultdict(list)
        for message in _messages(prefixed(UNIQUE_COUNTS), self._since()):
            record = UniqueCount.read(message.key(), message.value(), message.headers())
            if self._first <= record.minute <= self._last:
                if any(each.counter == record.counter for each in found[record.minute]):
                    raise CannotTell(f"unique-counts has {record.key.decode()} twice")
                found[record.minute].append(record)
        if missing := [minute for minute in self._first.through(self._last) if minute not in found]:
            raise CannotTell(f"{len(missing)} of these minutes are not published, {missing[0]} the first")
        return found

    def _read_id_counts(self, tally: Recount, end: int) -> None:
        counts: dict[str, Counter[Id]] = defaultdict(Counter)
        minute, read = self._first, 0
        for message in _messages(prefixed(ID_COUNTS), self._since(), end + MARGIN_MS):
            fields = json.loads(message.value() or b"")
            of = Minute.parse(fields["minute"])
            if not self._first <= of <= self._last:
                continue
            if of != minute or read == BATCH:
                tally.publish(minute, counts)
                minute, counts, read = of, defaultdict(Counter), 0
            counts[fields.get("counter", DEFAULT)][fields["id"]] += fields["count"]
            read += 1
        tally.publish(minute, counts)

    def _since(self) -> int:
        return int(self._first.end * 1000) - MARGIN_MS


def _compare(minute: Minute, counter: str, counted: Stats, published: Stats) -> Iterator[Difference]:
    if counted.unique != published.unique:
        yield Difference(minute, counter, "unique", counted.unique, published.unique)
    if counted.total != published.total:
        yield Difference(minute, counter, "total", counted.total, published.total)


def _messages(topic: str, since: int, until: int | None = None) -> Iterator[Message]:
    """Committed records from a time in milliseconds on, to the end or another time. Raises KafkaAway."""
    consumer = Consumer(
        client_config()
        | {
            "group.id": prefixed("tally-audit"),
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        left = {each.partition for each in _starts(consumer, topic, since)}
        deadline = time.monotonic() + ASK_SECONDS
        while left:
            for message in consumer.consume(BATCH, POLL_SECONDS):
                partition = message.partition() or 0
                if error := message.error():
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaAway(error.str())
                    left.discard(partition)
                elif partition in left:
                    deadline = time.monotonic() + ASK_SECONDS
                    if until and message.timestamp()[1] > until:
                        left.discard(partition)
                    else:
                        yield message
            if time.monotonic() > deadline:
                raise KafkaAway(f"{topic} could not be read in time")
    except KafkaException as error:
        raise KafkaAway(error.args[0].str()) from error
    finally:
        consumer.close()


def _starts(consumer: Consumer, topic: str, since: int) -> list[TopicPartition]:
    """Where to read from, assigned to the consumer. Raises CannotTell where that is gone."""
    found = consumer.list_topics(topic, timeout=ASK_SECONDS).topics[topic]
    if found.error:
        raise CannotTell(f"the topic {topic} can't be read: {found.error.str()}")
    partitions = [TopicPartition(topic, partition, since) for partition in sorted(found.partitions)]
    ends = [consumer.get_watermark_offsets(each, ASK_SECONDS) for each in partitions]
    starts = consumer.offsets_for_times(partitions, ASK_SECONDS)
    for start, (_, high) in zip(starts, ends, strict=True):
        if start.offset < 0:
            start.offset = high
    consumer.assign(starts)
    return starts
