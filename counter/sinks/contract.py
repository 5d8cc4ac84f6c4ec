"""The contract of sinks: what each lane asks of where its calls are recorded, in Redis or in Kafka."""

from collections.abc import Sequence
from typing import Protocol

from counter.counters import DEFAULT
from counter.ids import Id
from counter.sinks.outcome import Accepted, Done, Parts, Told


class CallSink(Protocol):
    """Of the hot path: single calls, gathered into groups. It belongs to the event loop that starts it."""

    async def start(self) -> None:
        """Before the first call."""
        ...

    def record(self, id: Id, told: Told, counter: str = DEFAULT) -> None:
        """Record one call for good, and tell what became of it. Raises Unavailable when it can't be.

        `counter` is one of counters(), and `id` one of its ids.
        """
        ...

    async def stop(self) -> None:
        """After the last call: whoever waits is told."""
        ...


class PartSink(Protocol):
    """Of the batch lane: the parts of one batch at a time."""

    async def commit(self, parts: Parts, done: Done) -> None:
        """Record them, and say of each what became of it as soon as that is known."""
        ...

    async def stop(self) -> None:
        """Let go of the server."""
        ...


class SyncSink(Protocol):
    """Of Django's lane, for calls and batches. Thread-safe; made after any fork."""

    def record(self, ids: Sequence[Id], counter: str = DEFAULT) -> Accepted:
        """Record calls. Raises Unavailable where any could not be; then some may have been recorded."""
        ...

    def commit(self, parts: Parts, done: Done) -> None:
        """Record the parts of a batch, and say of each what became of it as soon as that is known."""
        ...
