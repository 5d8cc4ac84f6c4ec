"""The audit: minutes counted again from the events, and what was published of them, side by side."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from math import inf

from confluent_kafka import Message

from counter.counters import DEFAULT
from counter.ids import Id
from counter.kafka.client import prefixed
from counter.minute import SECONDS, Minute
from counter.store.counts import Stats
from tasks.audits.minute_reader import BATCH, Advance, MinuteReader
from tasks.audits.recount import Recount
from tasks.errors import CannotTell
from tasks.kafka.reader import TopicReader
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tasks.output.records import UniqueCount

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
    """Of the minutes from `first` through `last`. Use it once. Raises CannotTell, KafkaAway or NoTopic."""

    def __init__(self, first: Minute, last: Minute, *, id_counts: bool) -> None:
        self._first, self._last = first, last
        self._id_counts = id_counts

    def records(self) -> int:
        """How many events there are to read, about."""
        with MinuteReader(self._first, self._last) as reader:
            return reader.records()

    def run(self, advance: Advance) -> Iterator[Difference]:
        """All differences, minute by minute."""
        with Recount() as recount:
            with MinuteReader(self._first, self._last) as reader:
                reader.count_into(recount, advance)
            published = self._published()
            for minute in self._first.through(self._last):
                of_minute = {record.counter: record for record in published[minute]}
                for counter in sorted({*of_minute, *recount.counters(minute)}):
                    stats = of_minute[counter].stats if counter in of_minute else Stats()
                    yield from _compare(minute, counter, recount.stats(minute, counter), stats)
            if self._id_counts:
                last = max(record.published_at for of in published.values() for record in of)
                self._read_id_counts(recount, int(last.timestamp() * 1000))
                for minute, counter, id, counted, sent in recount.differences():
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

    def _read_id_counts(self, recount: Recount, end: int) -> None:
        counts: dict[str, Counter[Id]] = defaultdict(Counter)
        minute, read = self._first, 0
        for message in _messages(prefixed(ID_COUNTS), self._since(), end + MARGIN_MS):
            fields = json.loads(message.value() or b"")
            of = Minute.parse(fields["minute"])
            if not self._first <= of <= self._last:
                continue
            if of != minute or read == BATCH:
                recount.publish(minute, counts)
                minute, counts, read = of, defaultdict(Counter), 0
            counts[fields.get("counter", DEFAULT)][fields["id"]] += fields["count"]
            read += 1
        recount.publish(minute, counts)

    def _since(self) -> int:
        return int(self._first.end * 1000) - MARGIN_MS


def _compare(minute: Minute, counter: str, counted: Stats, published: Stats) -> Iterator[Difference]:
    if counted.unique != published.unique:
        yield Difference(minute, counter, "unique", counted.unique, published.unique)
    if counted.total != published.total:
        yield Difference(minute, counter, "total", counted.total, published.total)


def _messages(topic: str, since: int, until: float = inf) -> Iterator[Message]:
    """Committed records from a time in milliseconds on, to the end or another time."""
    with TopicReader(topic, "tally-audit") as reader:
        for partition in reader.partitions():
            for message in chain.from_iterable(
                reader.read(partition, reader.find(partition, since), most=BATCH)
            ):
                if message.timestamp()[1] > until:
                    break
                yield message
