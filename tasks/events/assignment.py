"""Assignment: the partitions of `requests` that are ours, as far as anyone knows, and where each stands."""

import time
from collections.abc import Collection, Iterator

import redis
import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from counter.kafka.client import REQUESTS, client_config, prefixed
from counter.minute import Minute
from counter.redis import clock
from counter.store.offsets import Progress
from counter.store.rebucketing import misfit
from tasks.events.claims import Reading
from tasks.events.own_topic import AWAY, OwnTopic
from tasks.events.waiting import Waiting
from tasks.kafka.shape import why_uncountable

logger = structlog.get_logger(__name__)

ASK_SECONDS = 5.0
"""For an answer of the brokers about a partition."""

REST_SECONDS = 1.0
"""How long a partition that is ahead leaves Redis's last memory to the others."""


class Assignment:
    """See the module. A partition goes on where Redis says that it stands, never where Kafka's group does.

    For the one thread that polls `consumer`. Every method may wait, and raises Stopped where it was told to
    stop meanwhile.
    """

    def __init__(
        self,
        client: redis.Redis,
        progress: Progress,
        consumer: Consumer,
        waiting: Waiting,
        own_topic: OwnTopic,
    ) -> None:
        self._client = client
        self._own_topic = own_topic
        self._topic = prefixed(REQUESTS)
        self._admin = AdminClient(client_config())
        self._progress = progress
        self._consumer = consumer
        self._waiting = waiting
        self._readings: dict[int, Reading] = {}
        self._resting: set[int] = set()
        self._rest_ends = 0.0

    def reading(self, partition: int) -> Reading | None:
        """Where it is read; None where it is another consumer's, or stopped."""
        return self._readings.get(partition)

    def times(self) -> Iterator[int]:
        """The append times that the partitions were read to, in milliseconds."""
        return (reading.time for reading in self._readings.values())

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked)

    def read_again(self, partition: int) -> None:
        """Go on where the partition stands in Redis."""
        self._readings.pop(partition, None)
        try:
            self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])
        except KafkaException:
            return  # it was taken away meanwhile
        offset = self._find(partition)
        self._consumer.incremental_assign([TopicPartition(self._topic, partition, offset)])

    def read_all_again(self) -> None:
        """Every partition of ours: there are more counters to count for."""
        for partition in list(self._readings):
            self.read_again(partition)

    def skip_lost(self, partition: int) -> None:
        """Go on with what Kafka still has: the rest is lost."""
        low, _ = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), ASK_SECONDS)
        logger.error("events are lost, going on with what Kafka has", partition=partition, offset=low)
        self._progress.skip(partition, low)
        self.read_again(partition)

    def stop(self, partition: int) -> None:
        """Count none of it any more, and with that hold publishing, until an operator has spoken."""
        reading = self._readings.pop(partition, None)
        logger.error(
            "the offset is out of the log: the partition is not counted, see docs/operations.md",
            partition=partition,
            offset=reading and reading.next,
        )

    def rest(self, partitions: Collection[int]) -> None:
        """Read none of these for a while: Redis does not take their events, but those of others."""
        logger.warning("Redis is crowded: partitions wait for others", partitions=sorted(partitions))
        self._consumer.pause([TopicPartition(self._topic, partition) for partition in partitions])
        self._resting |= set(partitions)
        self._rest_ends = time.monotonic() + REST_SECONDS

    def resume(self) -> None:
        """Go on with the partitions that have rested long enough."""
        if self._resting and time.monotonic() > self._rest_ends:
            self._consumer.resume([TopicPartition(self._topic, partition) for partition in self._resting])
            self._resting.clear()

    def wait_countable(self) -> None:
        """Until the broker gives events their time again; those without one count in the log's time."""
        why: str | None = "not asked yet"
        while why:
            try:
                why = why_uncountable(self._admin)
            except AWAY as error:
                why = f"can't tell how {self._topic} is set up: {error}"
            if why:
                self._waiting.pause(why)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            each.offset = self._find(each.partition)
        consumer.incremental_assign(partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._readings.pop(each.partition, None)
        consumer.incremental_unassign(partitions)

    def _find(self, partition: int) -> int:
        """The offset that a partition goes on at, as soon as that can be told."""
        while True:
            try:
                if why := misfit(self._client) or why_uncountable(self._admin):
                    self._waiting.pause(why)
                    continue
                if positions := self._progress.positions().get(partition):
                    now = Minute.at(clock.now(self._client))
                    reading = self._readings[partition] = Reading.at(partition, positions, now)
                    return reading.next
                self._progress.begin(partition, self._first_offset(partition))
            except AWAY as error:
                self._waiting.pause(f"can't tell yet where partition {partition} goes on: {error}")

    def _first_offset(self, partition: int) -> int:
        """Where a partition begins of which Redis knows nothing: one that is new, or Redis has lost all.

        What is in minutes that were published as events has been counted.
        """
        low, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), ASK_SECONDS)
        published = next(iter(self._own_topic.last_minute().values()), None)
        if not published or published.partitions <= partition:
            return low
        wanted = TopicPartition(self._topic, partition, int(published.minute.end * 1000))
        [found] = self._consumer.offsets_for_times([wanted], ASK_SECONDS)
        return found.offset if found.offset >= 0 else high
