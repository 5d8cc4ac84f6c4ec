"""The consumer group of the consolidators, and how its members read."""

from counter.kafka.client import client_config, prefixed

GROUP = "tally-consolidate"
SESSION_MS = 6_000
"""A consumer that is dead or stopped for so long loses its partitions to the others."""

REFRESH_MS = 10_000
"""Within this time a partition that was added is known; until it is read, minutes wait."""

ANSWER_MS = 10_000
"""For a broker to answer a request, before it is sent again"""

BATCH = 10_000
"""Events in hand: some ten scripts, sent together."""

FETCH_BYTES = 100_000
"""Compressed: some ten thousand events."""


def group(tally: str) -> str:
    """The consumer group of the Tally of this name: a second one must not take partitions from the first."""
    return f"{prefixed(GROUP)}-{tally}"


def consumer_config(tally: str) -> dict[str, str | int | float | bool]:
    """What a consolidator of it reads with."""
    return client_config() | {
        "group.id": group(tally),
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": SESSION_MS,
        "auto.offset.reset": "error",
        # Both for each partition, and by default ten times that: hundreds of megabytes for a backlog.
        "queued.min.messages": BATCH,
        "max.partition.fetch.bytes": FETCH_BYTES,
        # After a fetch that filled the queue; by default a second, in which it runs empty.
        "fetch.queue.backoff.ms": 10,
        "topic.metadata.refresh.interval.ms": REFRESH_MS,
        # What a broker was asked while it went down may never be answered; the default is a minute each.
        "socket.timeout.ms": ANSWER_MS,
    }
