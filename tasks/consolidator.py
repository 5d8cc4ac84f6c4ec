"""The consolidator: counts the events of `requests`, as many of them at once as there are partitions.

Where a partition goes on is kept in Redis beside the counts, and moved on by the very script that counts. So
there is one way out of every doubt (a crash, another consumer, a lost connection, a Redis that was restored):
look where the partition stands, and read again from there.

1  assign   the partition is ours, as far as anyone can know: read it from where it stands in Redis
2  poll     events and markers, up to so many
3  count    in stretches of one minute: each is claimed with its offsets, and refused unless they are next
4  again    whatever was refused or unanswered: 1
5  hint     a minute has been read to its end by all: have it flushed
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import redis
from celery import current_app
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from counter.events import Records, stretches
from counter.kafka import REQUESTS, client_config
from counter.keys import Bucket, spread
from counter.minute import Minute
from counter.progress import Claim, Position, Progress, Refusal, closed_minute
from tasks import metrics
from tasks.brokers import KafkaAway
from tasks.published_log import NoTopic, Published, PublishedLog
from tasks.records import BadRecord

logger = logging.getLogger(__name__)

GROUP = "tally-consolidate"
SESSION_MS = 6_000
"""A consumer that is dead or stopped for so long loses its partitions to the others."""

BATCH = 10_000
"""Events in hand: some ten scripts, sent together."""

POLL_SECONDS = 0.1
"""What a lonely event waits for company."""

PAUSE_SECONDS = 0.5
"""Between two looks for a Redis or a Kafka that is away."""

HINT = "tasks.flush.flush_closed_minutes"
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
    """Counts until `stop` is set. With `skip_lost` it goes on behind events that Kafka has deleted uncounted."""

    def __init__(self, client: redis.Redis, stop: threading.Event, *, skip_lost: bool = False) -> None:
        self._progress = Progress(client)
        self._stop = stop
        self._skip_lost = skip_lost
        self._readings: dict[int, _Reading] = {}
        self._sealed: dict[Bucket, Minute] = {}
        self._last_published: Published | None = None
        self._hinted = Minute(0)
        self._consumer = Consumer(
            client_config()
            | {
                "group.id": GROUP,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": SESSION_MS,
                "auto.offset.reset": "error",
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
        records: dict[int, Records] = defaultdict(Records)
        for message in self._consumer.consume(BATCH, POLL_SECONDS):
            if error := message.error():
                self._look_at(error, message)
            else:
                records[message.partition() or 0].add(message)
        claims = [claim for partition, of in records.items() for claim in self._claims(partition, of)]
        if claims:
            self._count(claims)
