"""The panel of event mode."""

from collections.abc import Iterator
from datetime import UTC, datetime

from redis.exceptions import RedisError

from console.client import client
from console.level import Level
from console.panels.age import ago
from console.panels.registry import Fact, panel
from counter.store.counts import CountStore

BEHIND_SECONDS = 120
"""Since the append time that a partition has been read to; a marker comes every 60."""


@panel("Events")
def events_panel() -> Iterator[Fact]:
    """Which partition of `requests` minutes wait for."""
    store = CountStore(client())
    try:
        positions, now = store.progress().positions(), store.now()
    except RedisError as error:
        yield Fact("Progress", f"Redis does not answer: {error}", Level.BAD)
        return
    if not positions:
        yield Fact("Sink", "calls are counted at once, there are no events")
    for partition, of in sorted(positions.items(), key=lambda item: min(each.time for each in item[1])):
        behind = now - min(each.time for each in of) / 1000
        level = Level.WARN if behind > BEHIND_SECONDS else Level.OK
        yield Fact(f"Partition {partition}", f"read to {_at(behind, now)}, offset {of[0].next:,}", level)


def _at(behind: float, now: float) -> str:
    return ago(datetime.fromtimestamp(now - behind, UTC)) if behind < now else "nothing yet"
