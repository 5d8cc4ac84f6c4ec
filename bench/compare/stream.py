"""The stream: each event goes to Tally's topic and to the one that all others read."""

import json
import time
from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from counter.kafka.client import REQUESTS
from counter.kafka.requests import event, producer_config
from counter.minute import SECONDS, Minute

EVENTS = "events"
"""The topic of the others: the same values and keys, with the callers' times, and without Tally's markers."""

WATERMARK_SECONDS = 5
"""More than any program's watermark is behind the last event"""

Counts = dict[str, tuple[int, int]]
"""minute -> (unique, total)"""


class Stream:
    """To both topics, with as many partitions. `outputs` are topics that no engine makes itself."""

    def __init__(self, brokers: str, *outputs: str) -> None:
        self._brokers: dict[str, str | int | float | bool] = {"bootstrap.servers": brokers}
        with AdminClient(self._brokers) as admin:
            partitions = len(admin.list_topics(REQUESTS, timeout=30).topics[REQUESTS].partitions)
            new = [NewTopic(EVENTS, partitions, 1), *(NewTopic(name, 1, 1) for name in outputs)]
            for made in admin.create_topics(new).values():
                made.result()
        more = {"message.timeout.ms": 120_000, "queue.buffering.max.messages": 500_000}
        self._producer = Producer(producer_config() | self._brokers | more)

    def append(self, ids: Iterable[int], late_seconds: int = 0) -> None:
        """Acknowledged when it returns. Late events say so in the times that their caller gave them."""
        for id in ids:
            at = int((time.time() - late_seconds) * 1000)
            value, key = event(id)
            self._produce(REQUESTS, value, key, at)
            self._produce(EVENTS, value, key, at)
        self._producer.flush()

    def recount(self) -> dict[str, Counts]:
        """What is in each topic, by the plainest of all ways: a set for each minute. Takes its time."""
        return {topic: self._count(topic) for topic in (REQUESTS, EVENTS)}

    def _count(self, topic: str) -> Counts:
        minutes: dict[str, list[int]] = {}
        for id, at in self._read(topic):
            minutes.setdefault(str(Minute.at_milliseconds(at)), []).append(id)
        return {minute: (len(set(ids)), len(ids)) for minute, ids in minutes.items()}

    def _produce(self, topic: str, value: bytes, key: bytes, at: int) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, timestamp=at)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _read(self, topic: str) -> Iterator[tuple[int, int]]:
        consumer = Consumer(self._brokers | {"group.id": "recount", "enable.auto.commit": False})
        for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
            consumer.assign([TopicPartition(topic, partition, 0)])
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition))
            position = 0
            while position < end:
                for message in consumer.consume(10_000, timeout=1):
                    position = (message.offset() or 0) + 1
                    if message.key():  # else it is one of Tally's markers
                        yield json.loads(message.value() or b"")["id"], message.timestamp()[1]
        consumer.close()


def next_minute() -> Minute:
    """Wait for it to begin, and until no watermark is before it any more."""
    minute = Minute.at(time.time()) + 1
    time.sleep(max(0.0, minute.start.timestamp() + WATERMARK_SECONDS - time.time()))
    return minute


def fill_a_minute(stream: Stream, events: int, ids: int) -> Minute:
    """So many events of so many ids within one minute, and a few in the next one, so that it is over."""
    minute = next_minute()
    stream.append(n * 7919 % ids for n in range(events))
    if time.time() > minute.start.timestamp() + SECONDS:
        raise ValueError(f"{events:,} events take longer than a minute here")
    next_minute()
    stream.append(range(100))
    return minute
