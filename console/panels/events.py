"""The panel of event mode."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from redis.exceptions import RedisError

from console.client import client
from console.headline.kafka import ASK_SECONDS, admin_client
from console.level import Level
from console.panels.pace import pace
from console.panels.registry import Fact, panel
from console.times import ago
from counter.kafka.client import REQUESTS, prefixed
from counter.mode import is_event_mode
from counter.redis import clock
from counter.store.offsets import Position, Progress, counted_to
from counter.store.publishing_state import PublishingState
from tasks.errors import KafkaAway
from tasks.events.members import members
from tasks.kafka.offsets import bounds as bounds_of

BEHIND_SECONDS = 120
"""Since the append time that a partition has been read to; a marker comes every 60."""

KEEPS_UP_SECONDS = 10
"""So much of what comes may be on its way."""

Positions = Mapping[int, list[Position]]


@panel("Events")
def events_panel() -> Iterator[Fact]:
    """Who counts events, how fast, and which partition of `requests` minutes wait for."""
    try:
        positions = Progress.known(client()).positions()
        now, tally = clock.now(client()), PublishingState(client()).identity()
    except RedisError as error:
        yield Fact("Progress", f"Redis does not answer: {error}", Level.BAD)
        return
    if not (is_event_mode() or positions):
        yield Fact("Sink", "calls are counted at once, there are no events")
        return
    bounds: dict[int, tuple[int, int]] = {}
    try:
        bounds = bounds_of(admin_client(), prefixed(REQUESTS), ASK_SECONDS)
        if bounds:
            yield from _consolidators(tally)
            yield from _flow(bounds, positions)
    except KafkaAway as error:
        yield Fact("Kafka", f"does not answer: {error}", Level.BAD)
    yield from _partitions(bounds, positions, now)


def _consolidators(tally: str) -> Iterator[Fact]:
    found = members(admin_client(), tally, ASK_SECONDS)
    if not found:
        yield Fact("Consolidators", "none is at work: no event is counted", Level.BAD)
    for member in found:
        numbers = ", ".join(map(str, member.partitions))
        yield Fact(member.name, f"counts partitions {numbers}" if numbers else "has no partition")


def _flow(bounds: Mapping[int, tuple[int, int]], positions: Positions) -> Iterator[Fact]:
    ends = sum(end for _, end in bounds.values())
    counted = sum(
        min(end, counted_to(positions.get(partition, ()), begin))
        for partition, (begin, end) in bounds.items()
    )
    waiting = ends - counted
    yield Fact("Waiting", "1 event" if waiting == 1 else f"{waiting:,} events")
    if not (measured := pace(ends, counted)):
        return
    yield Fact("Appended", f"{measured.appended:,.0f} a second")
    yield Fact("Counted", f"{measured.counted:,.0f} a second")
    if waiting and (seconds := measured.drained_in(waiting)) is not None:
        yield Fact("Drained in", f"{seconds:,.0f} s")
    elif waiting > KEEPS_UP_SECONDS * measured.appended:
        yield Fact("Drained in", "never: no more are counted than come", Level.WARN)


def _partitions(bounds: Mapping[int, tuple[int, int]], positions: Positions, now: float) -> Iterator[Fact]:
    times = {partition: min(each.time for each in of) / 1000 for partition, of in positions.items()}
    furthest_behind = min(times, key=times.__getitem__, default=None) if len(times) > 1 else None
    for partition, of in sorted(positions.items()):
        level = Level.WARN if now - times[partition] > BEHIND_SECONDS else Level.OK
        mark = ", the furthest behind" if partition == furthest_behind else ""
        value = f"read to {_at(times[partition])}, offset {counted_to(of):,}{mark}"
        yield Fact(f"Partition {partition}", value, level, _share(counted_to(of), bounds.get(partition)))


def _share(counted: int, bounds: tuple[int, int] | None) -> float | None:
    begin, end = bounds or (0, 0)
    return min(1.0, (counted - begin) / (end - begin)) if end > begin else None


def _at(seconds: float) -> str:
    return ago(datetime.fromtimestamp(seconds, UTC)) if seconds else "nothing yet"
