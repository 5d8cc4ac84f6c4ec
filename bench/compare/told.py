"""What an engine says of minutes, read from where its users would read it."""

import json
from abc import ABC, abstractmethod
from pathlib import Path

import redis
from confluent_kafka import Consumer, TopicPartition
from typing_extensions import override

from bench.compare.stream import Counts


class Told(ABC):
    """Asked again and again while the engine runs."""

    @abstractmethod
    def read(self) -> Counts:
        """The last that it said of each minute; nothing of a minute of which it has said nothing."""

    def close(self) -> None:  # noqa: B027  (most have nothing to let go of)
        """Let go of what it reads from."""


class InTopic(Told):
    """Committed records {"minute", "unique", "total"}; of a minute the last one counts."""

    def __init__(self, brokers: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": f"told-{topic}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "topic.metadata.refresh.interval.ms": 1000,
            }
        )
        self._topic = topic
        self._assigned = False
        self._counts: Counts = {}

    @override
    def read(self) -> Counts:
        if not self._assigned:
            found = self._consumer.list_topics(timeout=30).topics.get(self._topic)
            if not found:
                return {}
            self._consumer.assign([TopicPartition(self._topic, each, 0) for each in found.partitions])
            self._assigned = True
        while messages := self._consumer.consume(10_000, timeout=0.2):
            for message in messages:
                if not message.error():
                    value = json.loads(message.value() or b"")
                    self._counts[value["minute"]] = (value["unique"], value["total"])
        return self._counts

    @override
    def close(self) -> None:
        self._consumer.close()


class InRedis(Told):
    """`unique:<minute>`, a HyperLogLog, and `total:<minute>`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    @override
    def read(self) -> Counts:
        totals = {key: int(self._client.get(key) or 0) for key in self._client.scan_iter("total:*")}
        minutes = [key.decode().removeprefix("total:") for key in totals]
        uniques = [self._client.pfcount(f"unique:{minute}") for minute in minutes]
        return dict(zip(minutes, zip(uniques, totals.values(), strict=True), strict=True))


class InFile(Told):
    """JSON: a list of [minute, unique, total]."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    def read(self) -> Counts:
        if not self._path.exists():
            return {}
        rows = json.loads(self._path.read_text())
        return {minute: (int(unique), int(total)) for minute, unique, total in rows}
