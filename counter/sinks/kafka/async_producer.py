"""AsyncProducer: the hot path's sink in event mode. A call is recorded when Kafka has acknowledged its event.

librdkafka gathers the events and sends them together, and the event loop asks it every millisecond what
has been acknowledged: one wake-up answers all the calls of that time, with no thread in between.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from counter.kafka.client import REQUESTS
from counter.kafka.requests import MAX_UNDER_WAY, event, producer_config
from counter.minute import EPOCH, Minute
from counter.sinks.outcome import DEADLINE_SECONDS, Accepted, Done, Parts, Unavailable
from counter.telemetry import metrics, rejections

POLL_SECONDS = 0.001
"""Between two questions for what has been acknowledged, while anything is under way."""

PROBE_SECONDS = 0.1
"""While Kafka is away one call in this time is let through to find out; all others are refused at once."""


class _Outcome(asyncio.Future[Accepted | None]):
    """What becomes of some calls: None as soon as one of them was not acknowledged."""

    __slots__ = ("appender", "deadline", "left")

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        """One of them has come to its end."""
        self.appender.settle(self, error, message)

    appender: "AsyncProducer"
    deadline: float
    left: int


class AsyncProducer:
    """Belongs to the event loop that it is started in. A call without an answer may have been recorded."""

    def __init__(self) -> None:
        self._under_way = 0
        self._waiting: deque[_Outcome] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_available = True
        self._next_probe = 0.0
        self._newly_accepted = 0
        self._is_broken = False
        self._accepted = Accepted(EPOCH, None)

    async def start(self) -> None:
        """Begin; the client is made here, in the process that uses it."""
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(producer_config())

    async def stop(self) -> None:
        """Answer what is under way; that takes no longer than its deadline."""
        await asyncio.gather(*self._waiting, return_exceptions=True)  # a caller may have gone away

    def record(self, id: int) -> Awaitable[Accepted | None]:
        """Record one call; what is awaited is None when it was not acknowledged.

        Raises Unavailable at once when Kafka is away or too many calls wait already.
        """
        return self._append((id,))

    async def commit(self, parts: Parts, done: Done) -> None:
        """Record the parts of a batch; of one that is Unavailable some calls may have been recorded."""
        under_way: dict[int, _Outcome] = {}
        for number, ids in parts.items():
            try:
                under_way[number] = self._append(ids)
            except Unavailable as error:
                done(number, error)
        for number, outcome in under_way.items():
            done(number, await outcome or Unavailable("Kafka did not acknowledge all of them in time"))

    def settle(self, outcome: _Outcome, error: KafkaError | None, message: Message) -> None:
        """A call of this outcome was acknowledged, or never will be."""
        self._under_way -= 1
        outcome.left -= 1
        if error:
            self._is_broken |= error.fatal() or error.code() == KafkaError._FATAL
            self._fail(outcome, 1, error.str())
            return
        self._newly_accepted += 1
        self._is_available = True
        minute = Minute.at_milliseconds(message.timestamp()[1])
        if minute.number != self._accepted.minute.number:
            self._accepted = Accepted(minute, None)
        if not outcome.left and not outcome.done():
            outcome.set_result(self._accepted)

    def _append(self, ids: Sequence[int]) -> _Outcome:
        now = self._loop.time()
        if not self._admits(len(ids), now):
            why = "too many calls are waiting" if self._is_available else "Kafka is away"
            rejections.UNAVAILABLE.add(len(ids), why)
            raise Unavailable(why)
        outcome = _Outcome(loop=self._loop)
        outcome.appender, outcome.left, outcome.deadline = self, len(ids), now + DEADLINE_SECONDS
        for id in ids:
            value, key = event(id)
            try:
                self._producer.produce(REQUESTS, value, key, on_delivery=outcome)
            except (BufferError, KafkaException) as error:
                outcome.left -= 1
                self._fail(outcome, 1, str(error))
            else:
                self._under_way += 1
        self._waiting.append(outcome)
        if not self._timer:
            self._timer = self._loop.call_later(POLL_SECONDS, self._poll)
        return outcome

    def _admits(self, calls: int, now: float) -> bool:
        if self._under_way + calls > MAX_UNDER_WAY:
            return False
        if not self._is_available:
            if now < self._next_probe:
                return False
            self._next_probe = now + PROBE_SECONDS
        return True

    def _poll(self) -> None:
        """Answer all that has been acknowledged, and give up what has waited too long."""
        self._producer.poll(0)
        if self._is_broken:
            self._renew()
        if self._newly_accepted:
            metrics.ACCEPTED.inc(self._newly_accepted)
            self._newly_accepted = 0
        now, waiting = self._loop.time(), self._waiting
        while waiting and (waiting[0].done() or waiting[0].deadline < now):
            outcome = waiting.popleft()
            if not outcome.done():
                self._fail(outcome, outcome.left, "no answer in time")
        self._timer = self._loop.call_later(POLL_SECONDS, self._poll) if self._under_way else None

    def _renew(self) -> None:
        """Begin again with another client: after a fatal error nothing goes through this one any more."""
        self._producer.purge()
        self._producer.poll(0)
        self._producer = Producer(producer_config())
        self._is_broken = False

    def _fail(self, outcome: _Outcome, calls: int, reason: str) -> None:
        if outcome.done():
            return
        outcome.set_result(None)
        rejections.UNAVAILABLE.add(calls, reason)
        if self._is_available:
            self._is_available = False
            self._next_probe = self._loop.time() + PROBE_SECONDS
