"""SyncProducer: records calls as events over a blocking client, for Django's side of the house."""

import time
from collections.abc import Sequence
from functools import cached_property

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from counter.kafka.client import REQUESTS
from counter.kafka.requests import event, producer_config
from counter.minute import Minute
from counter.sinks.outcome import DEADLINE_SECONDS, Accepted, Done, Parts, Unavailable
from counter.telemetry import metrics, rejections

POLL_SECONDS = 0.005
"""A thread may handle what another one waits for, so none waits longer than this without a look."""


class SyncProducer:
    """Thread-safe. Its client is made with the first call, so after any fork."""

    @cached_property
    def _producer(self) -> Producer:
        return Producer(producer_config())

    def record(self, ids: Sequence[int]) -> Accepted:
        """Record some calls, the last of them in the minute that is returned.

        Raises Unavailable when not all were acknowledged in time; then some may have been recorded.
        """
        delivery = _Delivery(len(ids))
        deadline = time.monotonic() + DEADLINE_SECONDS
        try:
            for id in ids:
                value, key = event(id)
                self._producer.produce(REQUESTS, value, key, on_delivery=delivery)
            while delivery.left and not delivery.error and time.monotonic() < deadline:
                self._producer.poll(POLL_SECONDS)
        except (BufferError, KafkaException) as error:
            delivery.error = str(error)
        if delivery.left or delivery.error:
            self._refuse(delivery, len(ids))
        metrics.ACCEPTED.inc(len(ids))
        return Accepted(Minute.at_milliseconds(delivery.milliseconds), None)

    def commit(self, parts: Parts, done: Done) -> None:
        """Record the parts of a batch, and say of each what became of it."""
        for number, ids in parts.items():
            try:
                done(number, self.record(ids))
            except Unavailable as error:
                done(number, error)

    def _refuse(self, delivery: "_Delivery", calls: int) -> None:
        if delivery.is_fatal:
            del self._producer
        why = delivery.error or "Kafka does not answer in time"
        rejections.UNAVAILABLE.add(calls, why)
        raise Unavailable(why)


class _Delivery:
    """How far the events of one call have come."""

    def __init__(self, events: int) -> None:
        self.left = events
        self.milliseconds = 0
        self.error = ""
        self.is_fatal = False

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.left -= 1
        if error:
            self.error = error.str()
            self.is_fatal = error.fatal() or error.code() == KafkaError._FATAL
        else:
            self.milliseconds = max(self.milliseconds, message.timestamp()[1])
