"""Both places where accepted calls go, alike for a test: it calls, then asks what was counted."""

import redis

from counter.store.clients import connect
from counter.store.offsets import Progress
from tasks.kafka.topics import create_topics
from tests.conftest import empty, is_empty
from tests.processes import ServerProcess
from tests.requests_topic import Requests

SINKS = ("redis", "kafka")


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
        create_topics()  # a consolidator asks what was published
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
