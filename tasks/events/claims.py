"""Claims: which events of a partition to count next, and in which minute. Nothing here asks a server."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from counter.ids import Id
from counter.kafka.requests import Records, Stretch, stretches
from counter.minute import Minute
from counter.store.claim import Claim
from counter.store.keys import Bucket, spread
from counter.store.offsets import Position
from tasks import metrics
from tasks.output.records import UniqueCount

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Reading:
    """Where the reading of a partition stands."""

    partition: int
    next: int
    """Offset"""
    time: int
    """The highest append time before it, in milliseconds"""
    positions: list[Position]
    """Bucket by bucket; one may be further than `next`"""
    now: Minute
    """By Redis's clock, when reading began: for events of a log that has told no time yet"""

    @classmethod
    def at(cls, partition: int, positions: list[Position], now: Minute) -> "Reading":
        """From the position that is furthest behind."""
        first = min(positions, key=lambda position: position.next)
        return cls(partition, first.next, first.time, positions, now)


@dataclass(slots=True)
class Seals:
    """The minutes that take no more events, as far as refusals have told."""

    sealed: dict[Bucket, Minute] = field(default_factory=dict)
    published: Mapping[str, UniqueCount] = field(default_factory=dict)
    """The records of the last published minute, by counter"""

    def place(
        self, bucket: Bucket, partition: int, minute: Minute, ids: Sequence[Id]
    ) -> tuple[Minute, Sequence[Id]]:
        """Where to count these ids of a minute, and which of them.

        A minute is sealed before it has been read to its end only by force, or where Redis came back from a
        backup and is read again. In the second case they are in the topic already: the record of the last
        minute says whether that was read to its end. In the first they count in the next minute.
        """
        sealed = self.sealed.get(bucket)
        if not sealed or minute > sealed or not ids:
            return minute, ids
        published = self.published.get(bucket.counter)
        if published and partition < published.partitions and minute <= published.minute:
            return minute, []
        logger.warning(
            "events of a sealed minute count in a later one",
            events=len(ids),
            minute=str(minute),
            later=str(sealed + 1),
        )
        return sealed + 1, ids


def claims(reading: Reading, records: Records, buckets: Sequence[Bucket], seals: Seals) -> Iterator[Claim]:
    """What to claim of records that begin at `reading.next`; the reading moves on with each stretch of them.

    No claim goes over a position: a bucket has counted all of a claim, or nothing.
    """
    cuts = sorted({position.next for position in reading.positions})
    for stretch in stretches(records, reading.time, cuts):
        if stretch.unreadable:
            metrics.UNREADABLE.inc(stretch.unreadable)
            logger.error("records are not Tally's", partition=reading.partition, records=stretch.unreadable)
        yield from _of_stretch(reading, stretch, buckets, seals)
        reading.next, reading.time = stretch.end, stretch.time


def _of_stretch(
    reading: Reading, stretch: Stretch, buckets: Sequence[Bucket], seals: Seals
) -> Iterator[Claim]:
    of_log = stretch.minute if stretch.time else reading.now
    parts = _spread(stretch.ids, buckets)
    for bucket, position in zip(buckets, reading.positions, strict=True):
        if position.next < stretch.end:
            minute, ids = seals.place(bucket, reading.partition, of_log, parts.get(bucket, []))
            yield Claim(bucket, reading.partition, reading.next, stretch.end, stretch.time, minute, ids)


def _spread(ids: Mapping[str, Sequence[Id]], buckets: Sequence[Bucket]) -> dict[Bucket, Sequence[Id]]:
    """By bucket; each counter has some of them."""
    of_counter: dict[str, list[Bucket]] = defaultdict(list)
    for bucket in buckets:
        of_counter[bucket.counter].append(bucket)
    parts: dict[Bucket, Sequence[Id]] = {}
    for counter, of in ids.items():
        homes = of_counter[counter]
        if len(homes) == 1:
            parts[homes[0]] = of
            continue
        lists: list[list[Id]] = [[] for _ in homes]
        for id in of:
            lists[spread(id, len(homes))].append(id)
        parts.update(zip(homes, lists, strict=True))
    return parts
