"""MinuteReader: the events of some minutes, read again from `requests`.

A minute's first record in a partition is the first one appended at its beginning or later: all records before
it have earlier append times, so they belong to earlier minutes. From there on the rule is the consolidator's.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Self

from counter.ids import Id
from counter.kafka.client import REQUESTS, prefixed
from counter.kafka.requests import Records, stretches
from counter.minute import Minute
from tasks.audits.recount import Recount
from tasks.errors import CannotTell
from tasks.kafka.reader import TopicReader

BATCH = 10_000

Advance = Callable[[int], None]
"""Told how many more records have been read."""


def read_ends() -> dict[int, int]:
    """The offset after the last event of each partition. Raises KafkaAway or NoTopic."""
    with TopicReader(prefixed(REQUESTS), "tally-recount") as reader:
        return {partition: reader.bounds(partition)[1] for partition in reader.partitions()}


class MinuteReader:
    """Reads from minute `first` through `last`, partition by partition. Raises KafkaAway or NoTopic."""

    def __init__(self, first: Minute, last: Minute) -> None:
        self._first, self._last = first, last
        self._reader = TopicReader(prefixed(REQUESTS), "tally-recount")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()

    def count_into(self, recount: Recount, advance: Advance) -> None:
        """Count all of it. Raises CannotTell where the topic does not hold all of it."""
        for partition in self._reader.partitions():
            self._count(partition, recount, advance)

    def records(self) -> int:
        """How many records there are to read, about. Raises CannotTell."""
        end = int((self._last + 1).end * 1000)
        return sum(
            max(0, self._reader.find(partition, end) - self._start(partition))
            for partition in self._reader.partitions()
        )

    def _start(self, partition: int) -> int:
        """Where the first minute begins in a partition. Raises CannotTell where that is gone."""
        low, _ = self._reader.bounds(partition)
        start = self._reader.find(partition, int(self._first.start.timestamp() * 1000))
        if start == low > 0:
            raise CannotTell(f"partition {partition} of requests no longer has all of {self._first}")
        return start

    def _count(self, partition: int, recount: Recount, advance: Advance) -> None:
        at = 0
        for messages in self._reader.read(partition, self._start(partition), most=BATCH):
            records = Records()
            for message in messages:
                records.add(message)
            advance(len(records.offsets))
            counts: dict[str, Counter[Id]] = defaultdict(Counter)
            minute = self._first
            for stretch in stretches(records, at):
                if stretch.minute != minute:
                    recount.count(minute, counts)
                    minute, counts = stretch.minute, defaultdict(Counter)
                if minute > self._last:
                    return
                for counter, ids in stretch.ids.items():
                    counts[counter].update(ids)
                at = stretch.time
            recount.count(minute, counts)
        raise CannotTell(f"{self._last} is not over yet in partition {partition} of requests")
