"""Kafka forgets to end a transaction in a partition that has no leader at that moment (KAFKA-20734).

It is neither committed nor aborted then, for good: nothing behind it can be read.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from counter.kafka.client import client_config
from counter.store.counts import CountStore
from tasks.errors import Halt, KafkaAway
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tasks.output import transaction
from tasks.output.open_transaction import open_partitions
from tasks.publishing import steps
from tasks.publishing.flush import Flush
from tests.faults.tally import Tally
from tests.support.processes import DEADLINE_SECONDS, wait_until
from tests.support.servers.kafka_cluster import NUMBERS, KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NOBODY = -1


class Died(Exception):
    """As a worker does, at that point."""


class Forgetful:
    """A Tally whose counts are on one broker, but for the second half of their ids."""

    def __init__(self, cluster: KafkaCluster, admin: AdminClient, tally: Tally, *, in_part: bool) -> None:
        Producer(client_config() | {"transactional.id": "first"}).init_transactions()
        coordinator = cluster.leader("__transaction_state")
        one = next(number for number in NUMBERS if number != coordinator)
        ids = [[one], [coordinator if in_part else one]]
        for topic in (
            NewTopic(UNIQUE_COUNTS, 1, replica_assignment=[[one]], config={"cleanup.policy": "compact"}),
            NewTopic(ID_COUNTS, 2, replica_assignment=ids),
        ):
            admin.create_topics([topic])[topic.topic].result()
        self.tally = tally
        self._cluster, self._admin, self._leader = cluster, admin, cluster.brokers[one]
        self._forgotten = 2 if in_part else 3
        self._producers: list[Producer] = []

    def flush(self, monkeypatch: pytest.MonkeyPatch, died: str) -> None:
        """Commit while the topics have no leader; the worker dies at that point behind it."""

        def kill(reached: str) -> None:
            if reached == "6b.commit.before":
                assert self._producers[-1].flush(DEADLINE_SECONDS) == 0, "all of it is with the brokers"
                self._leader.kill()
                wait_until(lambda: self._cluster.leader(UNIQUE_COUNTS) == NOBODY, "there is no leader")
            elif reached == died:
                raise Died

        with monkeypatch.context() as patch:
            patch.setattr(transaction, "Producer", self._make)
            patch.setattr(steps, "watchers", [kill])
            with pytest.raises(Died):
                Flush(self.tally.store.client).run()
        self._leader.start()
        wait_until(self._is_forgotten, "Kafka forgets; or does so no more, and Tally need not see to it")

    def _make(self, config: dict[str, Any]) -> Producer:
        self._producers.append(Producer(config))
        return self._producers[-1]

    def _is_forgotten(self) -> bool:
        with suppress(KafkaAway):
            return len(open_partitions(self._admin)) == self._forgotten
        return False


@pytest.fixture
def forgetful(
    cluster: KafkaCluster, store: CountStore, request: pytest.FixtureRequest
) -> Iterator[Forgetful]:
    with AdminClient(client_config()) as admin:
        tally = Tally(store.client, store)
        tally.end_two_minutes()
        yield Forgetful(cluster, admin, tally, in_part=request.param)
        tally.close()


@pytest.mark.parametrize("died", ["6b.acknowledged.before", "6c.read_back.before"])
@pytest.mark.parametrize("forgetful", [False], indirect=True, ids=["all"])
def test_what_kafka_forgot_to_commit_is_published_once(
    forgetful: Forgetful, monkeypatch: pytest.MonkeyPatch, died: str
) -> None:
    """Whether the worker lived to know that it was committed, or not."""
    forgetful.flush(monkeypatch, died)
    forgetful.tally.flush_to_the_end()
    forgetful.tally.verify()


@pytest.mark.parametrize("forgetful", [True], indirect=True, ids=["in part"])
def test_what_kafka_committed_in_part_is_not_published_again(
    forgetful: Forgetful, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of its ids can be read: they would be there twice."""
    forgetful.flush(monkeypatch, "6c.read_back.before")
    before = forgetful.tally.counts()
    for _ in range(2):
        with pytest.raises(Halt, match="open on unique-counts since offset 0"):
            Flush(forgetful.tally.store.client).run()
    assert forgetful.tally.counts() == before, "nothing is deleted"
