"""AsyncProducer: the hot path's sink in event mode, with one place for each counter.

A call is recorded when Kafka has acknowledged its event.
librdkafka gathers the events and sends them together, and the event loop asks it every millisecond what
has been acknowledged: one wake-up answers all the calls of that time, with no thread in between.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from functools import partial

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from counter.counters import DEFAULT, counters
from counter.ids import Id
from counter.kafka.client import REQUESTS, is_fatal, prefixed
from counter.kafka.requests import MAX_UNDER_WAY, event, producer_config
from counter.minute import EPOCH, Minute
from counter.sinks.outcome import DEADLINE_SECONDS, Accepted, Done, Parts, Told, Unavailable
from counter.telemetry import metrics, rejections
from counter.telemetry.outages import CURRENT

logger = structlog.get_logger(__name__)

POLL_SECONDS = 0.001
"""Between two questions for what has been acknowledged, while anything is under way."""

PROBE_SECONDS = 0.1
"""While Kafka is away one call in this time is let through to find out; all others are refused at once."""


class _Outcome:
    """What becomes of some calls: None as soon as one of them was not acknowledged."""

    __slots__ = ("_appender", "_told", "counter", "deadline", "is_done", "left")

    def __init__(
        self, appender: "AsyncProducer", told: Told, counter: str, calls: int, deadline: float
    ) -> None:
        self._appender = appender
        self._told = told
        self.counter = counter
        self.left = calls
        self.deadline = deadline
        self.is_done = False

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        """One of them has come to its end."""
        self._appender.settle(self, error, message)

    def set(self, accepted: Accepted | None) -> None:
        """This is it; once."""
        self.is_done = True
        self._told(accepted)


class AsyncProducer:
    """Belongs to the event loop that it is started in. A call without an answer may have been recorded."""

    def __init__(self) -> None:
        self._under_way = 0
        self._waiting: deque[_Outcome] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_available = True
        self._next_probe = 0.0
        self._newly_accepted: Counter[str] = Counter()
        self._is_broken = False
        self._accepted = Accepted(EPOCH, None)

    async def start(self) -> None:
        """Begin; the client is made here, in the process that uses it."""
        self._loop = asyncio.get_running_loop()
        self._topic = prefixed(REQUESTS)
        self._producer = Producer(producer_config())

    async def stop(self) -> None:
        """Answer what is under way; that takes no longer than its deadline."""
        while self._waiting:  # noqa: ASYNC110  (nobody else waits for all of them)
            await asyncio.sleep(POLL_SECONDS)

    def record(self, id: Id, told: Told, counter: str = DEFAULT) -> None:
        """Record one call, and tell what became of it: None when it was not acknowledged.

        Raises Unavailable at once, and tells nothing, when Kafka is away or too many calls wait already.
        """
        self._append((id,), told, counter)

    async def commit(self, parts: Parts, done: Done) -> None:
        """Record the parts of a batch; of one that is Unavailable some calls may have been recorded."""
        under_way: dict[int, asyncio.Future[Accepted | None]] = {}
        for number, ids in parts.items():
            outcome = self._loop.create_future()
            try:
                self._append(ids, partial(_settle, outcome), counters()[number])
                under_way[number] = outcome
            except Unavailable as error:
                done(number, error)
        for number, outcome in under_way.items():
            done(number, await outcome or Unavailable("Kafka did not acknowledge all of them in time"))

    def settle(self, outcome: _Outcome, error: KafkaError | None, message: Message) -> None:
        """A call of this outcome was acknowledged, or never will be."""
        self._under_way -= 1
        outcome.left -= 1
        if error:
            self._is_broken |= is_fatal(error)
            self._fail(outcome, 1, error.str())
            return
        self._newly_accepted[outcome.counter] += 1
        self._is_available = True
        CURRENT.end(REQUESTS)
        minute = Minute.at_milliseconds(message.timestamp()[1])
        if minute.number != self._accepted.minute.number:
            self._accepted = Accepted(minute, None)
        if not outcome.left and not outcome.is_done:
            outcome.set(self._accepted)

    def _append(self, ids: Sequence[Id], told: Told, counter: str) -> None:
        now = self._loop.time()
        if not self._admits(len(ids), now):
            why = "too many calls are waiting" if self._is_available else "Kafka is away"
            rejections.UNAVAILABLE.add(len(ids), why)
            raise Unavailable(why)
        outcome = _Outcome(self, told, counter, len(ids), now + DEADLINE_SECONDS)
        for id in ids:
            value, key = event(id, counter)
            try:
                self._producer.produce(self._topic, value, key, on_delivery=outcome)
            except (BufferError, KafkaException) as error:
                self._is_broken |= is_fatal(error.args[0])
                outcome.left -= 1
                self._fail(outcome, 1, str(error))
            else:
                self._under_way += 1
        self._waiting.append(outcome)
        if not self._timer:
            self._timer = self._loop.call_later(POLL_SECONDS, self._poll)

    def _admits(self, calls: int, now: float) -> bool:
        if self._under_way + calls > MAX_UNDER_WAY:
            return False
        if not self._is_available:
            if now < self._next_probe:
                return False
            self._next_probe = now + PROBE_SECONDS
        return True

    def _poll(self) -> None:
        try:
            self._look()
        except Exception:  # or nothing would ever be answered again
            logger.exception("looking for what is acknowledged failed")
        self._timer = (
            self._loop.call_later(POLL_SECONDS, self._poll) if self._under_way or self._waiting else None
        )

    def _look(self) -> None:
        """Answer all that has been acknowledged, and give up what has waited too long."""
        self._producer.poll(0)
        if self._is_broken:
            self._renew()
        if self._newly_accepted:
            metrics.accept(self._newly_accepted)
            self._newly_accepted.clear()
        now, waiting = self._loop.time(), self._waiting
        while waiting and (waiting[0].is_done or waiting[0].deadline < now):
            outcome = waiting.popleft()
            if not outcome.is_done:
                self._fail(outcome, outcome.left, "no answer in time")

    def _renew(self) -> None:
        """Begin again with another client: after a fatal error nothing goes through this one any more."""
        self._producer.purge()
        self._producer.poll(0)
        self._producer = Producer(producer_config())
        self._is_broken = False

    def _fail(self, outcome: _Outcome, calls: int, reason: str) -> None:
        if outcome.is_done:
            return
        outcome.set(None)
        rejections.UNAVAILABLE.add(calls, reason)
        CURRENT.begin(REQUESTS, reason)
        if self._is_available:
            self._is_available = False
            self._next_probe = self._loop.time() + PROBE_SECONDS


def _settle(outcome: asyncio.Future[Accepted | None], accepted: Accepted | None) -> None:
    if not outcome.done():  # its caller may have gone away
        outcome.set_result(accepted)
