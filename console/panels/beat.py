"""The panel of beat."""

from collections.abc import Iterator
from datetime import UTC, datetime

from celery import current_app
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import ensure_conf, get_redis

from console.level import Level
from console.panels.age import ago
from console.panels.broker import AWAY, connected
from console.panels.registry import Fact, panel
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
        with connected():  # RedBeat itself would wait long for it
            client = get_redis(current_app)
            leader = client.get(keys.BEAT)
            entry = RedBeatSchedulerEntry.from_key(f"{config.key_prefix}{HINT}", app=current_app)
    except AWAY as error:
        yield Fact("Broker", f"does not answer: {error}", Level.BAD)
        return
    except KeyError:  # no beat ever ran
        entry = None
    if leader:
        yield Fact("Leads", leader)
    else:
        yield Fact("Leads", "none", Level.BAD)
        yield Fact("Meanwhile", "nothing is published by itself, only by Flush now")
    if entry and entry.last_run_at:
        is_late = (datetime.now(UTC) - entry.last_run_at).total_seconds() > LATE_SECONDS
        yield Fact("Last tick", ago(entry.last_run_at), Level.WARN if is_late else Level.OK)
        yield Fact("Ticks", f"{entry.total_run_count:,}")
