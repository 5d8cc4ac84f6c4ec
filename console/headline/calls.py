"""What callers get, in one sentence each: whether their calls are taken, and whether they are safe then."""

from collections.abc import Iterator

import redis

from console.headline.verdict import Section, Verdict
from console.level import Level
from counter.mode import is_event_mode
from counter.monitoring.health import dangers, refusals
from counter.telemetry.outages import CURRENT


def refused(client: redis.Redis) -> Iterator[Verdict]:
    """Nothing where calls are taken, or where Kafka takes them. Raises RedisError."""
    if is_event_mode():
        return
    if why := list(dict.fromkeys([*refusals(client), *CURRENT.reasons()])):
        yield Verdict(
            Level.BAD,
            "Calls are refused",
            f"Callers are told 503 and try again: {'; '.join(why)}. The panel Redis has more.",
            Section.REFUSING,
        )


def unsafe(client: redis.Redis) -> Iterator[Verdict]:
    """Nothing where Redis counts what Kafka has taken, and keeps what it has counted. Raises RedisError."""
    if problems := [*(refusals(client) if is_event_mode() else ()), *dangers(client)]:
        yield Verdict(
            Level.WARN, "What is counted may be lost", f"{'; '.join(problems)}.", Section.REDIS_UNSAFE
        )
