"""CallbackQueue: from an accept call with an `endpoint` to the task that calls it.

The answer must not wait for the broker, so a thread hands the tasks over. A flood is shed at two bounds:
the tasks that wait in this process, and those that wait in Redis.
"""

import queue
import threading
from contextlib import suppress
from contextvars import Context, copy_context

import structlog
from celery import current_app
from kombu import Connection
from redis.exceptions import RedisError

from counter.counters import DEFAULT
from counter.journal.failed_callbacks import FailedCallback, FailedCallbacks
from counter.minute import Minute
from counter.redis.clients import connect_to_broker
from counter.task_names import CALLBACK, CALLBACK_QUEUES, callback_queue
from counter.telemetry import metrics

logger = structlog.get_logger(__name__)

UNACKNOWLEDGED = "unacked"
"""Where the broker keeps what a worker has taken, retries with a countdown among them."""

MAX_HERE = 1000
MAX_MESSAGE = 5_000
"""Bytes of Redis for a task with the longest endpoint there may be, its trace and its request's id."""

MAX_QUEUED = 10_000_000 // MAX_MESSAGE
"""10 MB of Redis, whatever endpoints callers name."""

MAX_IN_ONE = MAX_QUEUED // 4
"""For the hosts of one queue: one with many calls leaves room for the others."""

SHED = "too many waited, or the broker did not take it"
"""What people are told."""

EXPIRES_SECONDS = 600
"""The number is of interest while the minute is young."""

STOP_SECONDS = 2.0


class CallbackQueue:
    """Thread-safe. Its thread starts with the first call, so that it is made after any fork."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[Context, str, Minute, str] | None] = queue.Queue(MAX_HERE)
        self._broker = connect_to_broker()
        self._thread = threading.Thread(target=self._run, name="callbacks", daemon=True)
        self._start = threading.Lock()

    def put(self, endpoint: str, minute: Minute, counter: str = DEFAULT) -> None:
        """Have `endpoint` told the counter's unique count of `minute`, if there is room. Returns at once."""
        with self._start:
            if not self._thread.ident:
                self._thread.start()
        try:
            self._waiting.put_nowait((copy_context(), endpoint, minute, counter))
        except queue.Full:
            metrics.CALLBACKS.labels("shed").inc()

    def stop(self) -> None:
        """Hand over what waits, as far as that goes quickly."""
        if self._thread.ident:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=STOP_SECONDS)
            self._thread.join(STOP_SECONDS)
        with suppress(queue.Empty):
            while self._waiting.get_nowait():
                metrics.CALLBACKS.labels("shed").inc()

    def _run(self) -> None:
        while item := self._waiting.get():
            context, endpoint, minute, counter = item
            try:
                # With it go the request's id and its trace.
                is_sent = context.run(self._send, endpoint, minute, counter)
            except Exception:  # whatever the broker's client raises
                is_sent = False
                logger.debug("the broker takes no callback", exc_info=True)
            if not is_sent:
                metrics.CALLBACKS.labels("shed").inc()
                with suppress(RedisError):
                    shed = FailedCallback(endpoint, str(minute), "shed", SHED, counter)
                    FailedCallbacks(self._broker).note(shed)

    def _send(self, endpoint: str, minute: Minute, counter: str) -> bool:
        queued, all_queued = self._queued(endpoint)
        if queued >= MAX_IN_ONE or all_queued >= MAX_QUEUED:
            return False
        send_callback(endpoint, str(minute), counter)
        return True

    def _queued(self, endpoint: str) -> tuple[int, int]:
        """How many wait in the endpoint's queue, and how many in all, with those that workers have."""
        with self._broker.pipeline(transaction=False) as pipe:
            for name in CALLBACK_QUEUES:
                pipe.llen(name)
            pipe.hlen(UNACKNOWLEDGED)
            lengths = pipe.execute()
        return lengths[CALLBACK_QUEUES.index(callback_queue(endpoint))], sum(lengths)


def send_callback(endpoint: str, minute: str, counter: str, connection: Connection | None = None) -> None:
    """Hand the task over, in one try. Raises what the broker's client raises."""
    current_app.send_task(
        CALLBACK,
        args=[endpoint, minute, *filter(None, [counter])],
        argsrepr="",  # or the endpoint would be in it twice
        expires=EXPIRES_SECONDS,
        connection=connection,
        retry=False,
    )
