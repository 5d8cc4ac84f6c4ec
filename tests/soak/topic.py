"""The topic unique-counts, as someone enlarges it and an operator agrees to that."""

from contextlib import suppress

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from counter.kafka.client import client_config, prefixed
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from tasks.kafka.topics import UNIQUE_COUNTS

MOST = 12
SECONDS = 2.0
"""For an answer: what can't be done in it is not done, or later."""


class Topic:
    """Its client is the administrator's, whose way to Kafka is his own."""

    def __init__(self, store: CountStore) -> None:
        self._store = store
        self._name = prefixed(UNIQUE_COUNTS)
        self._admin = AdminClient(client_config())

    def partitions(self) -> int:
        """How many it has. Raises KafkaException."""
        return len(self._admin.list_topics(self._name, timeout=SECONDS).topics[self._name].partitions)

    def enlarge(self) -> None:
        """By one; not at all with Kafka away."""
        with suppress(KafkaException, TimeoutError):
            if (wanted := self.partitions() + 1) <= MOST:
                asked = [NewPartitions(self._name, wanted)]
                self._admin.create_partitions(asked, operation_timeout=SECONDS)[self._name].result(SECONDS)

    def agree(self) -> None:
        """What `tally keep_partitions` does. Raises KafkaException or RedisError."""
        PublishingState(self._store.client).keep_partitions(self.partitions())
