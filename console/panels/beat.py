"""The panel of beat."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

from celery import current_app
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import ensure_conf

from console.level import Level
from console.panels.registry import AWAY, Fact, panel
from console.times import ago
from counter.redis.broker import broker
from counter.store import keys

LATE_SECONDS = 90
"""Since the last tick: one has been missed."""

HINT = "flush-closed-minutes"
"""The entry of beat's schedule."""


@panel("Beat")
def beat_panel() -> Iterator[Fact]:
    """Who gives the hints, and when the last one was."""
    config = ensure_conf(current_app)
    try:
        # Not by RedBeat's own client, which would wait long for it.
        leader = cast("bytes | None", broker().get(keys.BEAT))
        meta = cast("bytes | None", broker().hget(f"{config.key_prefix}{HINT}", "meta"))
        tick = RedBeatSchedulerEntry.decode_meta(meta.decode() if meta else None)
    except (*AWAY, ValueError) as error:
        yield Fact("Broker", f"does not answer as it should: {error}", Level.BAD)
        return
    if leader:
        yield Fact("Leads", leader.decode(errors="replace"))
    else:
        yield Fact("Leads", "none", Level.BAD)
        yield Fact("Meanwhile", "nothing is published by itself, only by Flush now")
    if last := tick["last_run_at"]:
        is_late = (datetime.now(UTC) - last).total_seconds() > LATE_SECONDS
        yield Fact("Last tick", ago(last), Level.WARN if is_late else Level.OK)
        yield Fact("Ticks", f"{tick.get('total_run_count', 0):,}")
