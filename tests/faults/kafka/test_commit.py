"""A commit whose outcome nobody knows, and a stray one that comes too late."""

import socket
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer
from django.conf import settings as django_settings

from counter.kafka.client import client_config
from counter.minute import Minute
from counter.store.counts import Stats
from counter.store.publishing_state import PublishingState
from tasks.errors import Halt, KafkaAway
from tasks.kafka import reader
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tasks.output import transaction
from tasks.output.records import UniqueCount
from tasks.output.transaction import TRANSACTIONAL_ID
from tasks.publishing import steps
from tasks.publishing.flush import Flush
from tests.faults.tally import Tally
from tests.support.processes import wait_until
from tests.support.reading import id_counts, records, unique_counts
from tests.support.reset import new_topics
from tests.support.servers.proxy import END_TXN, Cut, Proxy, Rule, Towards, kafka_requests

pytestmark = pytest.mark.django_db


@pytest.fixture
def proxy(kafka_proxy: Proxy, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The flush's only way to Kafka, with little patience."""
    settings.KAFKA_BOOTSTRAP_SERVERS = f"127.0.0.1:{kafka_proxy.port}"
    monkeypatch.setattr(transaction, "TRY_SECONDS", 1.0)
    monkeypatch.setattr(transaction, "CALL_SECONDS", 3.0)
    yield kafka_proxy
    kafka_proxy.heal()


def is_end_txn(towards: Towards, data: bytes) -> bool:
    return towards is Towards.SERVER and any(key == END_TXN for key, _ in kafka_requests(data))


def lose_the_request(proxy: Proxy) -> Rule:
    """Kafka never hears of the commit."""

    def rule(towards: Towards, data: bytes) -> bytes:
        if is_end_txn(towards, data):
            proxy.refuse()
            raise Cut
        return data

    return rule


def lose_the_response(proxy: Proxy) -> Rule:
    """Kafka commits, and nobody hears of it."""
    sent: list[bytes] = []

    def rule(towards: Towards, data: bytes) -> bytes:
        if is_end_txn(towards, data):
            sent.append(data)
        elif sent and towards is Towards.CLIENT:
            proxy.refuse()
            raise Cut
        return data

    return rule


@pytest.mark.parametrize(("lose", "committed"), [(lose_the_request, False), (lose_the_response, True)])
def test_a_commit_of_unknown_outcome_ends_in_one_copy(
    tally: Tally, proxy: Proxy, lose: Callable[[Proxy], Rule], committed: bool
) -> None:
    tally.end_two_minutes()
    before = tally.counts()
    proxy.rule = lose(proxy)
    with pytest.raises(KafkaAway):
        Flush(tally.store.client).run()
    assert tally.counts() == before, "nothing is deleted"
    proxy.heal()
    if committed:
        wait_until(lambda: unique_counts() == tally.log, "Kafka had committed")
    Flush(tally.store.client).run()
    tally.verify()


def test_a_lost_response_of_one_connection_is_asked_for_again(tally: Tally, proxy: Proxy) -> None:
    tally.end_two_minutes()
    seen: list[str] = []

    def rule(towards: Towards, data: bytes) -> bytes:
        if is_end_txn(towards, data):
            seen.append("request")
        elif seen == ["request"] and towards is Towards.CLIENT:
            seen.append("cut")
            raise Cut
        return data

    proxy.rule = rule
    Flush(tally.store.client).run()
    assert seen[:3] == ["request", "cut", "request"]
    assert set(seen[3:]) <= {"request"}, "asked again while the first commit is still under way"
    tally.verify()


def test_what_cannot_be_read_back_is_not_deleted(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when the commit was acknowledged."""
    tally.end_two_minutes()
    before = tally.counts()

    def lose_the_topic(point: str) -> None:
        if point == "6b.commit.after":
            new_topics()

    with monkeypatch.context() as patch:
        patch.setattr(steps, "watchers", [lose_the_topic])
        patch.setattr(reader, "ASK_SECONDS", 3.0)
        with pytest.raises((KafkaAway, Halt)):
            Flush(tally.store.client).run()
    assert tally.counts() == before
    for _ in range(2):  # nor made again: a consumer may have had it
        with pytest.raises(Halt, match="has acknowledged the minutes up to"):
            Flush(tally.store.client).run()
    assert unique_counts() == []
    assert tally.counts() == before
    PublishingState(tally.store.client).override(Minute.parse(tally.log[0][0]) - 1, tally.store.buckets)
    Flush(tally.store.client).run()
    tally.verify()


def test_what_is_committed_and_not_there_is_not_committed_again(
    tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the same run, nor by the next: one look that does not find it is enough."""
    tally.end_two_minutes()
    Flush(tally.store.client).run()
    tally.end_two_minutes()
    before = tally.counts()
    commits: list[str] = []

    def restore_an_older_topic(point: str) -> None:
        if point == "6b.commit.after":
            commits.append(point)
            key, value = records(UNIQUE_COUNTS)[1]
            new_topics()
            producer = Producer(client_config())
            for _ in range(reader.STEP_BACK):  # as many offsets as there were
                producer.produce(UNIQUE_COUNTS, value, key, 0)
            producer.flush()

    monkeypatch.setattr(steps, "watchers", [restore_an_older_topic])
    for _ in range(3):
        with pytest.raises(Halt, match="has acknowledged the minutes up to"):
            Flush(tally.store.client).run()
    assert len(commits) == 1
    assert tally.counts() == before


class Stray:
    """The EndTxn request of a transaction that is over, to be sent again later."""

    def __init__(self) -> None:
        self._frame = b""

    def capture(self, towards: Towards, data: bytes) -> bytes:
        """A rule: keeps the last one that passes."""
        if towards is Towards.SERVER:
            for api_key, frame in kafka_requests(data):
                if api_key == END_TXN:
                    self._frame = frame
        return data

    def replay(self, commit: bool) -> int:
        """Send it to the broker, as a commit or as an abort; the code of its answer."""
        frame = self._frame[:-1] + (b"\1" if commit else b"\0")
        host, port = django_settings.KAFKA_BOOTSTRAP_SERVERS.split(":")
        with socket.create_connection((host, int(port))) as broker, broker.makefile("rb") as answers:
            broker.sendall(frame)
            (length,) = struct.unpack(">i", answers.read(4))
            _, _, code = struct.unpack_from(">iih", answers.read(length))
        return int(code)


STRAYS = pytest.mark.parametrize("commit", [True, False], ids=["commit", "abort"])


@STRAYS
def test_a_delayed_end_of_an_earlier_transaction_is_rejected(
    tally: Tally, proxy: Proxy, commit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray, codes = Stray(), []

    def strike(point: str) -> None:
        if point == "6b.commit.before" and tally.store.settled():
            codes.append(stray.replay(commit))

    monkeypatch.setattr(steps, "watchers", [strike])
    proxy.rule = stray.capture
    for _ in range(2):
        tally.end_two_minutes()
        Flush(tally.store.client).run()
    assert codes == [KafkaError.INVALID_PRODUCER_EPOCH]
    tally.verify()


@STRAYS
def test_the_same_on_a_reused_producer_loses_data(tally: Tally, proxy: Proxy, commit: bool) -> None:
    """The test of the test: what a new producer for every transaction is good for."""
    stray = Stray()
    proxy.rule = stray.capture
    producer = Producer(client_config() | {"transactional.id": TRANSACTIONAL_ID})
    producer.init_transactions()
    minute = Minute(29_000_000)

    for _ in range(2):
        producer.begin_transaction()
        producer.produce(ID_COUNTS, b'{"minute": "%s", "id": 42, "count": 1}' % str(minute).encode(), b"42")
        producer.flush()
        if len(unique_counts()) == 1:
            assert stray.replay(commit) == 0, "it passes for the present transaction's"
            wait_until(lambda: len(id_counts()) == 1 + commit, "half a minute is seen, or its half is gone")
        record = UniqueCount(minute, Stats(1, 1), datetime.now(UTC))
        producer.produce(UNIQUE_COUNTS, record.value, record.key)
        producer.commit_transaction()
        minute += 1
    assert len(unique_counts()) == 2, "the commit succeeded all the same"
    assert len(id_counts()) == 1 + commit
