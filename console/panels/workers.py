"""The panel of the workers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from celery import current_app

from console.level import Level
from console.panels.registry import AWAY, Fact, panel
from console.times import ago
from counter.accepting.callback_queue import UNACKNOWLEDGED
from counter.journal.failed_callbacks import FailedCallbacks
from counter.redis.broker import broker, quick_connection
from counter.task_names import CALLBACK_QUEUES, FLUSH_QUEUE

WORKER_SECONDS = 1.0
"""Workers answer within milliseconds; how many there are is not known, so this is always waited for."""


@panel("Workers")
def workers_panel() -> Iterator[Fact]:
    """Which workers answer, what they do, and what waits for them."""
    try:
        with quick_connection() as connection:
            answers = current_app.control.inspect(timeout=WORKER_SECONDS, connection=connection).active()
        hints, callbacks, taken = _queued()
        failed = len(FailedCallbacks(broker()))
    except AWAY as error:
        yield Fact("Broker", f"does not answer: {error}", Level.BAD)
        return
    for name, tasks in sorted((answers or {}).items()):
        yield Fact(name, _doing([(task["time_start"], task["name"]) for task in tasks]))
    if not answers:
        yield Fact("Workers", "none answers", Level.BAD)
        yield Fact("Meanwhile", "counting goes on, and minutes wait")
    yield Fact("Hints waiting", f"{hints:,}")
    yield Fact("Callbacks waiting", f"{callbacks:,}")
    yield Fact("Taken by workers", f"{taken:,}")
    if failed:
        yield Fact("Callbacks that failed", f"{failed:,}", page="admin:failed_callbacks")


def _doing(tasks: Sequence[tuple[float, str]]) -> str:
    """Of the begin and the name of each task."""
    if not tasks:
        return "waits for work"
    begin, name = min(tasks)
    others = f" and {len(tasks) - 1} more" if len(tasks) > 1 else ""
    return f"{name.rpartition('.')[2]}, begun {ago(datetime.fromtimestamp(begin, UTC))}{others}"


def _queued() -> tuple[int, int, int]:
    """Hints, callbacks, and messages that workers have taken and not finished."""
    with broker().pipeline(transaction=False) as pipe:
        for name in (FLUSH_QUEUE, *CALLBACK_QUEUES):
            pipe.llen(name)
        pipe.hlen(UNACKNOWLEDGED)
        hints, *callbacks, taken = pipe.execute()
    return hints, sum(callbacks), taken
