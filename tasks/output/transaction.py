"""One transaction of Kafka, from the fence to the commit.

A new producer for every transaction: `init_transactions()` raises the epoch, which fences every older
producer, resolves what it left open, and makes the broker reject a delayed EndTxn of an earlier transaction
(librdkafka speaks EndTxn below v5, librdkafka#5423; on a reused producer such a request hits the next one).
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from counter.kafka.client import LastError, client_config, prefixed
from counter.minute import Minute
from tasks import metrics
from tasks.errors import KafkaAway, StartOver
from tasks.kafka.topics import ID_COUNTS, PARTITION, UNIQUE_COUNTS
from tasks.kafka.triage import triage
from tasks.output.records import Counts, UniqueCount, id_counts

TRANSACTIONAL_ID = "tally-flush"
"""One for all workers: that is what makes them one logical writer."""

TRANSACTION_TIMEOUT_MS = 600_000
"""After this the broker gives an open transaction up: above what the largest minute takes, below the
broker's `transaction.max.timeout.ms` of 15 minutes. A successor does not wait for it, it fences."""

TRY_SECONDS = 3.0
"""One blocking call; the lease is extended between two."""

CALL_SECONDS = 20.0
"""All tries of one call, after which Kafka counts as away."""

PAUSE_SECONDS = 0.1


class Transaction:
    """A fresh producer and its one transaction. Leave it without `commit`, and nothing of it is ever seen.

    Make it in the process that uses it: a producer does not survive `fork`. `keep_alive` is called every few
    seconds at most, and what it raises ends the work. A replay's `prefix` stands before the names of its
    topics. Every method may raise KafkaAway, StartOver or Fenced; the transaction is of no more use then.
    """

    def __init__(self, keep_alive: Callable[[], None], prefix: str = "") -> None:
        self._keep_alive = keep_alive
        self._prefix = prefix
        self._offsets: list[int] = []
        self._last_error = LastError()
        self._producer = Producer(
            client_config()
            | {
                "error_cb": self._last_error,
                "transactional.id": prefixed(f"{prefix}{TRANSACTIONAL_ID}"),
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "compression.type": "lz4",
                "linger.ms": 5,
                "partitioner": "murmur2_random",  # as Java's clients spread keys
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Drop what has not been sent; the next producer resolves the rest."""
        self._producer.purge()

    def init(self) -> None:
        """Fence every older producer, and wait until what it left open is committed or aborted.

        Connected first, if that goes: librdkafka asks for the transaction's coordinator at once, and where no
        broker is connected yet, asks again half a second later.
        """
        with suppress(KafkaException):
            self._producer.list_topics(timeout=TRY_SECONDS)
        self._call(self._producer.init_transactions)

    def begin(self) -> None:
        """Open the transaction."""
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            raise triage(error) or StartOver(str(error)) from error

    def add_id_counts(self, minute: Minute, counter: str, counts: Counts) -> None:
        """Add one chunk of a counter's minute."""
        topic, produce = prefixed(f"{self._prefix}{ID_COUNTS}"), self._producer.produce
        for key, value in id_counts(minute, counter, counts):
            try:
                produce(topic, value, key)
            except (BufferError, KafkaException):  # again, with patience
                self._produce(topic, key, value)
        self._producer.poll(0)
        self._keep_alive()

    def add_unique_count(self, record: UniqueCount) -> None:
        """Add the record that says the minute is published; after all of its id-counts.

        By number into the one partition that is read back, however many the topic may have.
        """
        topic = prefixed(f"{self._prefix}{UNIQUE_COUNTS}")
        # Not a method: what is never delivered would keep this producer, and its threads, for good.
        delivered = partial(_delivered, self._offsets)
        options = {"partition": PARTITION, "on_delivery": delivered, "headers": record.headers}
        self._produce(topic, record.key, record.value, **options)

    def commit(self) -> list[int]:
        """Commit, and say at which offsets of `unique-counts` its records are.

        Only a return means success. The broker may still be writing its markers then.
        """
        self._call(self._producer.commit_transaction)
        return self._offsets

    def abort_in(self, partitions: Iterable[TopicPartition]) -> None:
        """Begin, and abort; with it ends, as aborted, what an older transaction of ours left undecided there.

        Kafka knows one transaction for each producer's id and partition, and an abort ends all of it.
        """
        self.begin()
        for of in partitions:
            self._produce(of.topic, b"", b"", partition=of.partition)
        deadline = time.monotonic() + CALL_SECONDS
        while self._producer.flush(TRY_SECONDS):  # what has not been sent gets no marker
            self._keep_alive()
            if time.monotonic() > deadline:
                raise KafkaAway("the brokers take no records")
        self._call(self._producer.abort_transaction)

    def _produce(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        **options: Any,
    ) -> None:
        deadline = None
        while True:
            try:
                return self._producer.produce(topic, value, key, **options)
            except BufferError as error:
                deadline = deadline or time.monotonic() + CALL_SECONDS
                if time.monotonic() > deadline:
                    raise KafkaAway("the brokers take no records") from error
                self._producer.poll(PAUSE_SECONDS)
                self._keep_alive()
            except KafkaException as error:
                raise triage(error) or StartOver(str(error)) from error

    def _call(self, method: Callable[[float], object]) -> None:
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            self._keep_alive()
            try:
                method(TRY_SECONDS)
                return
            except KafkaException as error:
                if failure := triage(error):
                    raise failure from error
                if time.monotonic() > deadline:
                    self._producer.poll(0)
                    raise KafkaAway(self._last_error.explain(error.args[0])) from error
                metrics.RETRIES.labels("call").inc()
                time.sleep(PAUSE_SECONDS)


def _delivered(offsets: list[int], error: KafkaError | None, message: Message) -> None:
    # An error needs no word here: it makes the commit fail.
    if not error:
        offsets.append(message.offset() or 0)
