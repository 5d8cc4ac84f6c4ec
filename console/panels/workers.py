"""The panel of the workers."""

from collections.abc import Iterator

from celery import current_app
from redbeat.schedulers import get_redis

from console.level import Level
from console.panels.broker import AWAY, connected
from console.panels.registry import Fact, panel
from counter.task_names import FLUSH_QUEUE

WORKER_SECONDS = 1.0
"""Workers answer within milliseconds; how many there are is not known, so this is always waited for."""


@panel("Workers")
def workers_panel() -> Iterator[Fact]:
    """Which workers answer, and how many hints wait for them."""
    try:
        with connected() as connection:
            answers = current_app.control.inspect(timeout=WORKER_SECONDS, connection=connection).ping()
            waiting = get_redis(current_app).llen(FLUSH_QUEUE)
    except AWAY as error:
        yield Fact("Broker", f"does not answer: {error}", Level.BAD)
        return
    for name in sorted(answers or ()):
        yield Fact(name, "alive")
    if not answers:
        yield Fact("Workers", "none answers", Level.BAD)
        yield Fact("Meanwhile", "counting goes on, and minutes wait")
    yield Fact("Hints waiting", f"{waiting}")
