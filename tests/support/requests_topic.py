"""The topic `requests` as tests need it: with append times that they choose, and consumers of their own."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

import redis
from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from counter.counters import DEFAULT
from counter.ids import Id
from counter.kafka.client import REQUESTS, client_config
from counter.kafka.requests import TRUSTED_TIMES, event, marker
from counter.minute import Minute
from counter.redis.clients import connect
from counter.store.claim import Claim
from counter.store.keys import WHOLE
from counter.store.offsets import Position, Progress
from counter.store.registry import registered
from tasks.events.consolidator import Consolidator
from tests.support.processes import wait_until

TIMEOUT_SECONDS = 30


def at(minute: Minute, seconds: float = 0.0) -> float:
    """Unix time, so many seconds after the minute's begin."""
    return minute.start.timestamp() + seconds


def claim(start: int, end: int, minute: Minute, *ids: int) -> Claim:
    """Of events of the first partition, by their offsets."""
    return Claim(WHOLE, 0, start, end, int(at(minute) * 1000), minute, ids)


class Requests:
    """A new topic. A time that goes with the record stands for the broker's, so minutes can pass at will."""

    def __init__(self, partitions: int = 3, timestamps: str = "CreateTime") -> None:
        if timestamps == "CreateTime":
            trust_callers_times()
        self._admin = AdminClient(client_config())
        delete_topic(self._admin)
        config = {"message.timestamp.type": timestamps}
        self._made(self._admin.create_topics([NewTopic(REQUESTS, partitions, 1, config=config)]))
        wait_until(lambda: self._knows(partitions), "requests is there")
        self.partitions = partitions
        self._producer = _producer()

    def append(self, partition: int, seconds: float, *ids: Id, counter: str = DEFAULT) -> None:
        """Events at this Unix time."""
        for id in ids:
            value, key = event(id, counter)
            self._produce(partition, seconds, value, key)
        self._producer.flush()

    def append_record(self, partition: int, seconds: float, value: bytes, key: bytes | None) -> None:
        """Anything."""
        self._produce(partition, seconds, value, key)
        self._producer.flush()

    def mark(self, seconds: float, *partitions: int) -> None:
        """A marker, in all partitions unless some are named."""
        for partition in partitions or range(self.partitions):
            self._produce(partition, seconds, marker(Minute.at(seconds)), None)
        self._producer.flush()

    def add_partition(self) -> int:
        """One more; its number."""
        self.partitions += 1
        self._made(self._admin.create_partitions([NewPartitions(REQUESTS, self.partitions)]))
        wait_until(lambda: self._knows(self.partitions), "the partition is there")
        self._producer = _producer()
        return self.partitions - 1

    def delete_before(self, partition: int, offset: int) -> None:
        """What the broker does with records that have become too old."""
        for future in self._admin.delete_records([TopicPartition(REQUESTS, partition, offset)]).values():
            future.result(TIMEOUT_SECONDS)

    def commit(self, group: str, partition: int, offset: int) -> bool:
        """Have Kafka believe that the group is there; not while anybody of it is at work."""
        consumer = Consumer(client_config() | {"group.id": group})
        try:
            consumer.commit(offsets=[TopicPartition(REQUESTS, partition, offset)], asynchronous=False)
        except KafkaException:
            return False
        finally:
            consumer.close()
        return True

    def members(self, group: str) -> int:
        """How many the group has."""
        [description] = self._admin.describe_consumer_groups([group]).values()
        return len(description.result(TIMEOUT_SECONDS).members)

    def forget(self, group: str) -> None:
        """Have Kafka forget the group."""

        def is_forgotten() -> bool:
            try:
                self._made(self._admin.delete_consumer_groups([group]))
            except KafkaException as error:
                return bool(error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND)
            return True

        wait_until(is_forgotten, "the group is forgotten: nobody is at work in it")

    def ends(self) -> list[int]:
        """The offset after the last record, by partition."""
        consumer = Consumer(client_config() | {"group.id": "tests"})
        try:
            partitions = (TopicPartition(REQUESTS, partition) for partition in range(self.partitions))
            return [consumer.get_watermark_offsets(each, TIMEOUT_SECONDS)[1] for each in partitions]
        finally:
            consumer.close()

    def wait_counted(self, client: redis.Redis) -> dict[int, list[Position]]:
        """Until all that is in the topic now is counted."""
        ends, progress = self.ends(), Progress(client)

        def is_counted() -> bool:
            progress.know([DEFAULT, *registered(client)])
            positions = progress.positions()
            return all(
                partition in positions and all(each.next >= end for each in positions[partition])
                for partition, end in enumerate(ends)
            )

        wait_until(is_counted, "all events are counted")
        return progress.positions()

    def count(self, client: redis.Redis) -> None:
        """Have all that is in the topic now counted."""
        with consolidating():
            self.wait_counted(client)

    def _produce(self, partition: int, seconds: float, value: bytes, key: bytes | None) -> None:
        self._producer.produce(REQUESTS, value, key, partition=partition, timestamp=int(seconds * 1000))

    def _knows(self, partitions: int) -> bool:
        topic = self._admin.list_topics(REQUESTS, timeout=TIMEOUT_SECONDS).topics[REQUESTS]
        return not topic.error and len(topic.partitions) == partitions

    @staticmethod
    def _made(futures: dict[str, Future[Any]]) -> None:
        for future in futures.values():
            future.result(TIMEOUT_SECONDS)


def trust_callers_times() -> None:
    """Have this process take the time that goes with a record for the broker's."""
    TRUSTED_TIMES["CreateTime"] = TIMESTAMP_CREATE_TIME


def _producer() -> Producer:
    return Producer(client_config() | {"acks": "all", "linger.ms": 5})


def delete_topic(admin: AdminClient) -> None:
    with suppress(KafkaException):  # there was none
        for future in admin.delete_topics([REQUESTS]).values():
            future.result(TIMEOUT_SECONDS)
    wait_until(lambda: REQUESTS not in admin.list_topics(timeout=TIMEOUT_SECONDS).topics, "it is gone")


@contextmanager
def consolidating(count: int = 1, *, skip_lost: bool = False) -> Iterator[Sequence[Consolidator]]:
    """So many consolidators, for the time of the block."""
    stop = threading.Event()
    running = [Consolidator(connect(), stop, skip_lost=skip_lost) for _ in range(count)]
    threads = [threading.Thread(target=each.run) for each in running]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        stop.set()
        for thread in threads:
            thread.join()
