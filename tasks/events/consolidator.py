"""The consolidator: counts the events of `requests`, as many of them at once as there are partitions.

Where a partition goes on is kept in Redis beside the counts, and moved on by the very script that counts. So
there is one way out of every doubt (a crash, another consumer, a lost connection, a Redis that was restored):
look where the partition stands, and read again from there.

0  wait     until unique-counts is no other Tally's: that one counts, and these events are in its records
1  assign   the partition is ours, as far as anyone can know: read it from where it stands in Redis
2  poll     events and markers, up to so many
3  count    in stretches of one minute: each is claimed with its offsets, and refused unless they are next
            events of a counter that is new: it is opened, and 4
4  again    whatever was refused or unanswered: 1; where Redis is crowded, with a rest for partitions ahead
5  hint     a minute has been read to its end by all: have it flushed
6  look     now and then: where the topic has become another Tally's, 0
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress

import redis
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from counter.kafka.client import REQUESTS, prefixed
from counter.kafka.requests import Records
from counter.store.claim import Claim, Refusal, count_claims
from counter.store.offsets import Progress
from tasks import metrics
from tasks.events.assignment import Assignment
from tasks.events.claims import Reading, Seals, claims
from tasks.events.group import BATCH, consumer_config
from tasks.events.hint import Hint
from tasks.events.own_topic import AWAY, OwnTopic
from tasks.events.roster import Roster
from tasks.events.waiting import Stopped, Waiting

logger = structlog.get_logger(__name__)

POLL_SECONDS = 0.1

SILENT_SECONDS = 90.0
"""Each partition has a marker every minute. A consumer that has heard nothing for so long is made anew."""

GROUP_SECONDS = 3.0
"""For the group's coordinator to answer"""

NO_GROUP = (
    "the coordinator of the consumer group does not answer ({error}): look for a leader of "
    "__consumer_offsets, and in that broker's log; a restart of it helps where it has lost its groups"
)
NO_TOPIC = "there is no topic {topic}: set ACCEPT_SINK=kafka, and run tally create_topics"


class Consolidator:
    """Counts until `stop` is set. With `skip_lost` it goes on behind events that Kafka deleted uncounted."""

    def __init__(self, client: redis.Redis, stop: threading.Event, *, skip_lost: bool = False) -> None:
        self._client = client
        self._stop = stop
        self._skip_lost = skip_lost
        self._waiting = Waiting(stop)
        self._own_topic = OwnTopic(client, self._waiting)
        self._progress = Progress(client)
        self._roster = Roster(client, self._progress)
        self._seals = Seals()
        self._hint = Hint(self._progress)
        self._gaps: set[tuple[int, int]] = set()
        """(partition, offset) before which something seemed to be missing."""

    def run(self) -> None:
        """Until told to stop; then it leaves the group, so that others take over at once."""
        with suppress(Stopped):
            while not self._stop.is_set():
                self._consume(self._own_topic.wait())

    def _consume(self, tally: str) -> None:
        """1 to 6, as long as the topic is ours, and our Redis the one of this name."""
        self._consumer = Consumer(consumer_config(tally))
        self._assignment = Assignment(
            self._client, self._progress, self._consumer, self._waiting, self._own_topic
        )
        self._assignment.subscribe()
        self._heard = time.monotonic()
        try:
            while not self._stop.is_set() and self._own_topic.is_still(tally) and not self._is_deaf():
                self._turn()
        finally:
            self._consumer.close()

    def _is_deaf(self) -> bool:
        """Whether nothing has come of its partitions for too long: its client may have lost its way."""
        if time.monotonic() - self._heard < SILENT_SECONDS:
            return False
        logger.info("nothing came for a while, reading anew", seconds=SILENT_SECONDS)
        self._ask_group()
        return True

    def _ask_group(self) -> None:
        """Say so where nobody can join the group: a client is not told, it asks again for good."""
        try:
            self._consumer.committed([TopicPartition(prefixed(REQUESTS), 0)], GROUP_SECONDS)
        except KafkaException as error:
            self._waiting.pause(NO_GROUP.format(error=error.args[0].str()))

    def _turn(self) -> None:
        """2 to 5, once."""
        self._assignment.resume()
        if self._grows(()):
            self._assignment.read_all_again()
        records: dict[int, Records] = defaultdict(Records)
        for message in self._consumer.consume(BATCH, POLL_SECONDS):
            if error := message.error():
                self._look_at(error, message.partition())
            else:
                records[message.partition() or 0].add(message)
        if records:
            self._heard = time.monotonic()
        if any(each.untimed for each in records.values()):
            self._assignment.wait_countable()
        if self._grows(counter for each in records.values() for counter in each.named):
            self._assignment.read_all_again()  # and count none of what is in hand
            return
        found = [claim for partition, of in records.items() for claim in self._claims(partition, of)]
        if found:
            self._count(found)
            self._hint.look(self._assignment.times())

    def _grows(self, met: Iterable[str]) -> bool:
        """Whether all is to be read again, because there are counters that were not known."""
        unknown = set(met) - set(self._progress.counters)
        try:
            return self._roster.grow(unknown)
        except AWAY as error:
            self._waiting.pause(f"can't open a counter: {error}")
            return bool(unknown)

    def _look_at(self, error: KafkaError, partition: int | None) -> None:
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._waiting.pause(NO_TOPIC.format(topic=prefixed(REQUESTS)))
        elif error.code() != KafkaError._AUTO_OFFSET_RESET or partition is None:
            self._waiting.pause(f"Kafka: {error.str()}")
        elif self._skip_lost:
            self._assignment.skip_lost(partition)
        else:
            self._assignment.stop(partition)

    def _claims(self, partition: int, records: Records) -> Iterator[Claim]:
        """3: what to claim, if these are the next records."""
        reading = self._assignment.reading(partition)
        if not reading:
            return
        records.drop_before(reading.next)
        if records.offsets and self._follows(reading, records.offsets[0]):
            yield from claims(reading, records, self._progress.buckets, self._seals)

    def _follows(self, reading: Reading, found: int) -> bool:
        """Whether nothing is missing before the record that was found: where it seems so, look again."""
        partition, next = reading.partition, reading.next
        if found == next or (partition, next) in self._gaps:
            return True
        logger.warning("an offset is missing, reading again", partition=partition, missing=next, found=found)
        self._gaps.add((partition, next))
        self._assignment.read_again(partition)
        return False

    def _count(self, claims: list[Claim]) -> None:
        try:
            refusals = count_claims(self._client, claims)
            if any(refusal.sealed for refusal in refusals):
                self._seals.published = self._own_topic.last_minute()
        except AWAY as error:
            self._roster.doubt()
            self._waiting.pause(f"counting waits: {error}")
            again, ahead = {claim.partition for claim in claims}, set[int]()
        else:
            self._waiting.is_over()
            again, ahead = self._learn(claims, refusals)
        for partition in again:
            self._assignment.read_again(partition)
        if ahead:
            self._assignment.rest(ahead)

    def _learn(self, claims: list[Claim], refusals: list[Refusal]) -> tuple[set[int], set[int]]:
        """4: the partitions to read again, and those of them that are ahead."""
        self._seals.sealed |= {each.claim.bucket: each.sealed for each in refusals if each.sealed}
        refused = {refusal.claim.partition for refusal in refusals}
        metrics.CONSOLIDATED.inc(sum(len(each.ids) for each in claims if each.partition not in refused))
        return refused, {refusal.claim.partition for refusal in refusals if refusal.is_ahead}
