"""The watermark: how far time has come everywhere, so what minutes are over. Step 6 of the flush hangs on it.

A minute is over when it is by Redis's clock, for calls that are counted at once. Where there are events it
must also have been read to its end in every partition of `requests`: a later append time was seen there. So
minutes wait for a consumer that is behind, and a broker whose clock is ahead can't end them.
"""

from dataclasses import dataclass

import redis

from counter.kafka.client import REQUESTS, prefixed
from counter.minute import Minute
from counter.mode import is_event_mode
from counter.redis import clock
from counter.store import keys
from counter.store.offsets import Position, Progress, closed_minute, event_buckets
from counter.store.registry import known_buckets
from tasks.output.published_log import PublishedLog


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far minutes are over."""

    minute: Minute
    """The last one"""
    partitions: int = 0
    """Of `requests`, that have been read past its end; 0 where there are no events"""


def find_watermark(client: redis.Redis, log: PublishedLog) -> Watermark:
    """What is over now. Raises KafkaAway or NoTopic where partitions count and can't be told."""
    by_clock = Minute.at(clock.now(client)) - 1
    if not event_buckets(client) and not is_event_mode():
        return Watermark(by_clock)
    positions = _positions(client)
    # Asked for each time: a partition that was added holds events that nobody may have read yet.
    partitions = log.count_partitions(prefixed(REQUESTS))
    by_events = min(closed_minute(positions.get(partition)) for partition in range(partitions))
    return Watermark(min(by_clock, by_events), partitions)


def _positions(client: redis.Redis) -> dict[int, list[Position]]:
    """Of all counters: one that was just opened may have events in a minute that is over for the others."""
    while True:
        known = known_buckets(client)
        positions = Progress(client, keys.counters_of(known)).positions()
        if known_buckets(client) == known:
            return positions
