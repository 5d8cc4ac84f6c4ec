"""The panel of the last flushes."""

from collections.abc import Iterator
from datetime import UTC, datetime

from redis.exceptions import RedisError

from console.client import client
from console.level import Level
from console.panels.registry import Fact, panel
from console.times import ago
from counter.journal.flush_log import FlushLog, FlushRun
from counter.management.words import minutes_of
from counter.minute import Minute

SHOWN = 5

LEVELS = {"published": Level.OK, "failed": Level.WARN, "halted": Level.BAD}
"""Of the newest one: what was before it is over."""


@panel("Flushes")
def flushes_panel() -> Iterator[Fact]:
    """What the last ones published, how long they took, and why they did not get through."""
    try:
        runs = FlushLog(client()).last(SHOWN)
    except RedisError as error:
        yield Fact("Flushes", f"Redis does not answer: {error}", Level.BAD)
        return
    if not runs:
        yield Fact("Flushes", "none has had anything to publish yet")
    for run in runs:
        level = LEVELS.get(run.outcome, Level.OK) if run is runs[0] else Level.OK
        yield Fact(ago(datetime.fromtimestamp(run.began_at, UTC)), _text(run), level)


def _text(run: FlushRun) -> str:
    if run.outcome != "published":
        what = "stopped" if run.outcome == "halted" else "did not get through"
        return f"{what} after {run.seconds:,.1f} s: {run.error}"
    last = Minute.parse(run.last).start
    again = f", {run.attempts} attempts" if run.attempts > 1 else ""
    return f"{minutes_of(run.minutes)} up to {last:%H:%M} in {run.seconds:,.1f} s{again}"
