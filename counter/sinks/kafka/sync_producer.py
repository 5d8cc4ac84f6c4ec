"""SyncProducer: records calls as events over a blocking client, for Django's side of the house."""

import threading
import time
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from counter.counters import DEFAULT, counters
from counter.ids import Id
from counter.kafka.client import REQUESTS, is_fatal, prefixed
from counter.kafka.requests import event, producer_config
from counter.minute import Minute
from counter.sinks.outcome import DEADLINE_SECONDS, Accepted, Done, Parts, Unavailable
from counter.telemetry import metrics, rejections
from counter.telemetry.outages import CURRENT

POLL_SECONDS = 0.005
"""A thread may handle what another one waits for, so none waits longer than this without a look."""


class SyncProducer:
    """Thread-safe. Its client is made with the first call, so after any fork."""

    def __init__(self) -> None:
        self._producer: Producer | None = None
        self._lock = threading.Lock()

    def record(self, ids: Sequence[Id], counter: str = DEFAULT) -> Accepted:
        """Record some calls, the last of them in the minute that is returned.

        Raises Unavailable when not all were acknowledged in time; then some may have been recorded.
        """
        topic, delivery = prefixed(REQUESTS), _Delivery(len(ids))
        producer = self._current()
        deadline = time.monotonic() + DEADLINE_SECONDS
        try:
            for id in ids:
                value, key = event(id, counter)
                producer.produce(topic, value, key, on_delivery=delivery)
            while delivery.left and not delivery.error and time.monotonic() < deadline:
                producer.poll(POLL_SECONDS)
        except (BufferError, KafkaException) as error:
            delivery.error = str(error)
            delivery.is_fatal |= is_fatal(error.args[0])
        if delivery.is_fatal:
            self._forget(producer)
        if delivery.left or delivery.error:
            why = delivery.error or "Kafka does not answer in time"
            rejections.UNAVAILABLE.add(len(ids), why)
            CURRENT.begin(REQUESTS, why)
            raise Unavailable(why)
        metrics.accept({counter: len(ids)})
        CURRENT.end(REQUESTS)
        return Accepted(Minute.at_milliseconds(delivery.milliseconds), None)

    def commit(self, parts: Parts, done: Done) -> None:
        """Record the parts of a batch, and say of each what became of it."""
        for number, ids in parts.items():
            try:
                done(number, self.record(ids, counters()[number]))
            except Unavailable as error:
                done(number, error)

    def _current(self) -> Producer:
        with self._lock:
            if not self._producer:
                self._producer = Producer(producer_config())
            return self._producer

    def _forget(self, broken: Producer) -> None:
        """The next call begins with another client, unless one has already, in another thread."""
        with self._lock:
            if self._producer is broken:
                self._producer = None


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
            self.is_fatal |= is_fatal(error)
        else:
            self.milliseconds = max(self.milliseconds, message.timestamp()[1])
