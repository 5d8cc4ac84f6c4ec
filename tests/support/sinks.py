"""Both places where accepted calls go, alike for a test: it calls, then asks what was counted."""

import asyncio
from collections.abc import Awaitable

import redis

from counter.ids import Id
from counter.redis.clients import connect
from counter.sinks.contract import CallSink
from counter.sinks.outcome import Accepted
from counter.store.counts import CountStore, Stats
from counter.store.offsets import Progress
from tests.support.processes import ServerProcess
from tests.support.requests_topic import Requests
from tests.support.reset import empty, is_empty, new_topics


def recorded(sink: CallSink, id: int) -> Awaitable[Accepted | None]:
    """Record a call, and wait for what the sink tells."""
    outcome: asyncio.Future[Accepted | None] = asyncio.get_running_loop().create_future()

    def told(accepted: Accepted | None) -> None:
        if not outcome.cancelled():
            outcome.set_result(accepted)

    sink.record(id, told)
    return outcome


class Sink:
    """Redis. `server` is what accepting depends on."""

    name = "redis"

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    def forget(self, valkey: redis.Redis) -> None:
        """All calls so far."""
        empty(valkey)

    def count(self) -> None:
        """Have all that was accepted counted."""

    def is_untouched(self, valkey: redis.Redis) -> bool:
        """Whether no call came since."""
        return is_empty(valkey)


class EventSink(Sink):
    """Kafka, whose events a consolidator counts."""

    name = "kafka"

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        new_topics()  # a consolidator asks what was published, and by whom
        self._topic = Requests(timestamps="LogAppendTime")
        self._ends: list[int] = []

    def forget(self, valkey: redis.Redis) -> None:
        empty(valkey)
        self._ends = self._topic.ends()
        for partition, end in enumerate(self._ends):
            Progress(valkey).begin(partition, end)

    def count(self) -> None:
        with connect() as client:
            self._topic.count(client)

    def is_untouched(self, valkey: redis.Redis) -> bool:
        return self._topic.ends() == self._ends


def counted(store: CountStore) -> dict[Id, int]:
    """id -> count over all minutes, and the stats must fit."""
    counts: dict[Id, int] = {}
    for minute in store.pending():
        of_minute = dict(count for chunk in store.counts(minute) for count in chunk)
        assert store.stats([minute]) == [Stats(len(of_minute), sum(of_minute.values()))]
        for id, count in of_minute.items():
            counts[id] = counts.get(id, 0) + count
    return counts
