"""Markers: the records that show an idle partition of `requests` that a minute is over."""

import time

import structlog
from celery import shared_task
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from redis.exceptions import RedisError

from counter.kafka.client import REQUESTS, prefixed
from counter.kafka.requests import marker, producer_config
from counter.minute import Minute
from counter.mode import is_event_mode
from counter.redis import clock
from counter.redis.clients import connect
from counter.store.offsets import event_buckets
from counter.task_names import MARK
from counter.ticks import EARLY_SECONDS

logger = structlog.get_logger(__name__)

ASK_SECONDS = 5.0
TIMEOUT_MS = 5_000


class NotMarked(Exception):
    """Some partition got no marker: it waits for its next event, or for the next minute's marker."""


def mark(minute: Minute) -> None:
    """Append a marker to every partition, each with an append time in this minute or later.

    Where a broker's clock is a little behind, its partitions get another one. Raises NotMarked.
    """
    topic, times = prefixed(REQUESTS), dict[int, int]()
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error:
            errors.append(error)
        else:
            times[message.partition() or 0] = message.timestamp()[1]

    start = minute.start.timestamp()
    try:
        producer = Producer(producer_config() | {"message.timeout.ms": TIMEOUT_MS, "linger.ms": 0})
        left = set(producer.list_topics(topic, timeout=ASK_SECONDS).topics[topic].partitions)
        while left:
            for partition in left:
                producer.produce(topic, marker(minute), partition=partition, on_delivery=delivered)
            producer.flush()
            if errors:
                raise NotMarked(errors[0].str())
            left = {partition for partition in left if times[partition] < start * 1000}
            behind = max((start - times[partition] / 1000 for partition in left), default=0.0)
            if behind > EARLY_SECONDS:
                raise NotMarked(f"a broker's clock is {behind:.0f} seconds behind")
            time.sleep(behind)
    except KafkaException as error:
        raise NotMarked(error.args[0].str()) from error


@shared_task(name=MARK)
def mark_minute() -> None:
    """The tick of event mode: let every partition see that the last minute is over."""
    client = connect()
    try:
        if is_event_mode() or event_buckets(client):
            mark(Minute.at(clock.now(client) + EARLY_SECONDS))
    except (NotMarked, RedisError) as error:
        logger.warning("no marker", error=str(error))
