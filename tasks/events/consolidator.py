"""The consolidator: counts the events of `requests`, as many of them at once as there are partitions.

Where a partition goes on is kept in Redis beside the counts, and moved on by the very script that counts. So
there is one way out of every doubt (a crash, another consumer, a lost connection, a Redis that was restored):
look where the partition stands, and read again from there.

1  assign   the partition is ours, as far as anyone can know: read it from where it stands in Redis
2  poll     events and markers, up to so many
3  count    in stretches of one minute: each is claimed with its offsets, and refused unless they are next
4  again    whatever was refused or unanswered: 1; where Redis is crowded, with a rest for partitions ahead
5  hint     a minute has been read to its end by all: have it flushed
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

import redis
from celery import current_app
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from counter.kafka.client import REQUESTS, client_config
from counter.kafka.requests import Records, stretches
from counter.minute import Minute
from counter.store.keys import Bucket, spread
from counter.store.offsets import NEVER, Claim, Position, Progress, closed_minute
from counter.store.rebucketing import misfit
from counter.task_names import FLUSH
from tasks import metrics
from tasks.kafka.errors import KafkaAway
from tasks.publishing.published_log import NoTopic, PublishedLog
from tasks.publishing.records import BadRecord, UniqueCount

logger = logging.getLogger(__name__)

GROUP = "tally-consolidate"
SESSION_MS = 6_000
"""A consumer that is dead or stopped for so long loses its partitions to the others."""

REFRESH_MS = 10_000
"""Within this time a partition that was added is known; until it is read, minutes wait."""

BATCH = 10_000
"""Events in hand: some ten scripts, sent together."""

FETCH_BYTES = 100_000
"""Compressed: some ten thousand events."""

POLL_SECONDS = 0.1
"""What a lonely event waits for company."""

PAUSE_SECONDS = 0.5
"""Between two looks for a Redis or a Kafka that is away."""

REST_SECONDS = 1.0
"""How long a partition that is ahead leaves Redis's last memory to the others."""

ASK_SECONDS = 5.0
"""For an answer of the brokers about a partition."""

AWAY = (RedisError, KafkaAway, KafkaException, NoTopic)

HINT_SECONDS = 60
"""A hint that waited this long has been overtaken by a tick."""


@dataclass(slots=True)
class _Reading:
    """Where the reading of a partition stands."""

    next: int
    """Offset"""
    time: int
    """The highest append time before it, in milliseconds"""
    positions: list[Position]
    """Bucket by bucket; one may be further than `next`"""


class Stopped(Exception):
    """It was told to stop while it waited."""


class Consolidator:
    """Counts until `stop` is set. With `skip_lost` it goes on behind events that Kafka deleted uncounted."""

    def __init__(self, client: redis.Redis, stop: threading.Event, *, skip_lost: bool = False) -> None:
        self._client = client
        self._progress = Progress(client)
        self._stop = stop
        self._skip_lost = skip_lost
        self._readings: dict[int, _Reading] = {}
        self._resting: set[int] = set()
        self._rest_ends = 0.0
        self._waits_for = ""
        self._gaps: set[tuple[int, int]] = set()
        self._sealed: dict[Bucket, Minute] = {}
        self._published: UniqueCount | None = None
        self._read_up_to = self._hinted = NEVER
        self._consumer = Consumer(
            client_config()
            | {
                "group.id": GROUP,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": SESSION_MS,
                "auto.offset.reset": "error",
                # Both for each partition, and by default ten times that: hundreds of megabytes for a backlog.
                "queued.min.messages": BATCH,
                "max.partition.fetch.bytes": FETCH_BYTES,
                # After a fetch that filled the queue; by default a second, in which it runs empty.
                "fetch.queue.backoff.ms": 10,
                "topic.metadata.refresh.interval.ms": REFRESH_MS,
            }
        )

    def run(self) -> None:
        """Until told to stop; then it leaves the group, so that others take over at once."""
        self._consumer.subscribe([REQUESTS], on_assign=self._assigned, on_revoke=self._revoked)
        try:
            while not self._stop.is_set():
                self._turn()
        except Stopped:
            pass
        finally:
            self._consumer.close()

    def _turn(self) -> None:
        """2 to 5, once."""
        if self._resting and time.monotonic() > self._rest_ends:
            self._resume()
        records: dict[int, Records] = defaultdict(Records)
        for message in self._consumer.consume(BATCH, POLL_SECONDS):
            if error := message.error():
                self._look_at(error, message.partition())
            else:
                records[message.partition() or 0].add(message)
        claims = [claim for partition, of in records.items() for claim in self._claims(partition, of)]
        if claims:
            self._count(claims)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """1."""
        for each in partitions:
            each.offset = self._find(each.partition)
        consumer.incremental_assign(partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._readings.pop(each.partition, None)
        consumer.incremental_unassign(partitions)

    def _find(self, partition: int) -> int:
        """Where the partition goes on; waits until that can be told. Raises Stopped."""
        while True:
            try:
                if why := misfit(self._client):
                    self._wait(why)
                    continue
                if positions := self._progress.positions().get(partition):
                    first = min(positions, key=lambda position: position.next)
                    self._readings[partition] = _Reading(first.next, first.time, positions)
                    return first.next
                self._progress.begin(partition, self._first_offset(partition))
            except (*AWAY, BadRecord) as error:
                self._wait(f"can't tell yet where partition {partition} goes on: {error}")

    def _first_offset(self, partition: int) -> int:
        """Where a partition begins of which Redis knows nothing: one that is new, or Redis has lost all.

        What is in minutes that were published as events has been counted.
        """
        low, high = self._consumer.get_watermark_offsets(TopicPartition(REQUESTS, partition), ASK_SECONDS)
        published = _last_published()
        if not published or published.partitions <= partition:
            return low
        wanted = TopicPartition(REQUESTS, partition, int(published.minute.end * 1000))
        [found] = self._consumer.offsets_for_times([wanted], ASK_SECONDS)
        return found.offset if found.offset >= 0 else high

    def _claims(self, partition: int, records: Records) -> Iterator[Claim]:
        """3: what to claim, if these are the next records."""
        reading = self._readings.get(partition)
        if not reading:
            return  # it is another consumer's by now
        records.drop_before(reading.next)
        if not records.offsets or not self._follows(partition, reading.next, records.offsets[0]):
            return
        cuts = sorted({position.next for position in reading.positions})
        for stretch in stretches(records, reading.time, cuts):
            if stretch.unreadable:
                metrics.UNREADABLE.inc(stretch.unreadable)
                logger.error("partition %d: %d records are not Tally's", partition, stretch.unreadable)
            parts = zip(self._progress.buckets, reading.positions, self._spread(stretch.ids), strict=True)
            for bucket, position, part in parts:
                if position.next < stretch.end:
                    minute, ids = self._home(bucket, partition, stretch.minute, part)
                    yield Claim(bucket, partition, reading.next, stretch.end, stretch.time, minute, ids)
            reading.next, reading.time = stretch.end, stretch.time

    def _follows(self, partition: int, next: int, found: int) -> bool:
        """Whether nothing is missing before the record that was found: where it seems so, look again."""
        if found == next or (partition, next) in self._gaps:
            return True
        logger.warning("partition %d: offset %d came after %d, reading again", partition, found, next)
        self._gaps.add((partition, next))
        self._again(partition)
        return False

    def _spread(self, ids: list[int]) -> list[list[int]]:
        """The ids, bucket by bucket."""
        count = len(self._progress.buckets)
        if count == 1:
            return [ids]
        parts: list[list[int]] = [[] for _ in range(count)]
        for id in ids:
            parts[spread(id, count)].append(id)
        return parts

    def _home(
        self, bucket: Bucket, partition: int, minute: Minute, ids: list[int]
    ) -> tuple[Minute, list[int]]:
        """Where to count these ids of a minute, and which of them.

        A minute is sealed before it has been read to its end only by force, or where Redis came back from a
        backup and is read again. In the second case they are in the topic already: the record of the last
        minute says whether that was read to its end. In the first they count in the next minute.
        """
        sealed = self._sealed.get(bucket)
        if not sealed or minute > sealed or not ids:
            return minute, ids
        published = self._published
        if published and partition < published.partitions and minute <= published.minute:
            return minute, []
        logger.warning("%d events of %s count in %s: it was sealed before", len(ids), minute, sealed + 1)
        return sealed + 1, ids

    def _count(self, claims: list[Claim]) -> None:
        try:
            refusals = self._progress.count(claims)
            if any(refusal.sealed for refusal in refusals):
                self._published = _last_published()
        except (*AWAY, BadRecord) as error:
            self._wait(f"counting waits: {error}")
            refused, ahead = {claim.partition for claim in claims}, set[int]()
        else:
            self._sealed |= {each.claim.bucket: each.sealed for each in refusals if each.sealed}
            refused = {refusal.claim.partition for refusal in refusals}
            ahead = {refusal.claim.partition for refusal in refusals if refusal.is_ahead}
            counted = (len(claim.ids) for claim in claims if claim.partition not in refused)
            metrics.CONSOLIDATED.inc(sum(counted))
            self._waits_for = ""
        for partition in refused:
            self._again(partition)
        if ahead:
            self._rest(ahead)
        self._hint()

    def _again(self, partition: int) -> None:
        """4: read on from where the partition stands."""
        self._readings.pop(partition, None)
        try:
            self._consumer.incremental_unassign([TopicPartition(REQUESTS, partition)])
        except KafkaException:
            return  # it was taken away meanwhile
        offset = self._find(partition)
        self._consumer.incremental_assign([TopicPartition(REQUESTS, partition, offset)])

    def _rest(self, partitions: Collection[int]) -> None:
        """Read none of these for a while: Redis does not take their events, but those of others."""
        logger.warning("Redis is crowded: partitions %s are ahead, and wait for others", sorted(partitions))
        self._consumer.pause([TopicPartition(REQUESTS, partition) for partition in partitions])
        self._resting |= set(partitions)
        self._rest_ends = time.monotonic() + REST_SECONDS

    def _resume(self) -> None:
        self._consumer.resume([TopicPartition(REQUESTS, partition) for partition in self._resting])
        self._resting.clear()

    def _hint(self) -> None:
        """5: a hint to the flush, when all partitions have come to another minute; it may be lost."""
        own = min(
            (Minute.at_milliseconds(reading.time) for reading in self._readings.values()), default=NEVER
        )
        if own <= self._read_up_to:
            return
        self._read_up_to = own
        with suppress(OperationalError, RedisError):
            closed = min(map(closed_minute, self._progress.positions().values()), default=NEVER)
            if closed > self._hinted:
                current_app.send_task(FLUSH, expires=HINT_SECONDS, retry=False)
                self._hinted = closed

    def _look_at(self, error: KafkaError, partition: int | None) -> None:
        if error.code() != KafkaError._AUTO_OFFSET_RESET or partition is None:
            self._wait(f"Kafka: {error.str()}")
        elif self._skip_lost:
            low, _ = self._consumer.get_watermark_offsets(TopicPartition(REQUESTS, partition), ASK_SECONDS)
            logger.error("partition %d: events are lost; going on at offset %d", partition, low)
            self._progress.skip(partition, low)
            self._again(partition)
        else:
            reading = self._readings.pop(partition, None)
            logger.error(
                "partition %d has no offset %s (any more): it is not counted, see docs/operations.md",
                partition,
                reading and reading.next,
            )

    def _wait(self, reason: str) -> None:
        if reason != self._waits_for:
            self._waits_for = reason
            logger.warning("%s", reason)
        if self._stop.wait(PAUSE_SECONDS):
            raise Stopped


def _last_published() -> UniqueCount | None:
    with PublishedLog() as log:
        last = log.last()
    return last.record if last else None
