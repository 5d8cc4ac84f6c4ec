"""What fails lets go of its clients of Kafka at once, also while its error is still being looked at."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from pytest_django import Settings

from counter.minute import Minute
from counter.store.counts import Stats
from tasks.audits.audit import Audit
from tasks.audits.replay import Replay
from tasks.errors import CannotTell, KafkaAway
from tasks.output.records import UniqueCount
from tasks.output.transaction import Transaction
from tests.support.processes import ServerProcess, wait_until
from tests.support.requests_topic import Requests


def clients() -> int:
    """How many clients of Kafka this process has: each has one thread of this name."""
    names = (path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm"))
    return sum(name == "rdk:main" for name in names)


@pytest.fixture
def first() -> Minute:
    return Minute.at(time.time()) - 30


def nothing(records: int) -> None: ...


def audit(minute: Minute) -> None:
    list(Audit(minute, minute, id_counts=True).run(nothing))


def replay(minute: Minute) -> None:
    list(Replay(minute, minute, f"again-{time.time_ns()}-").run(nothing))


@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize("count_again", [audit, replay])
def test_what_counts_again_leaves_no_client_when_it_fails(
    first: Minute, settings: Settings, count_again: Callable[[Minute], None]
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic = Requests()
    topic.append(0, first.start.timestamp(), 1)
    before = clients()
    with pytest.raises(CannotTell, match="is not over yet") as failure:
        count_again(first)
    assert clients() <= before, f"though there still is {failure.value}"


@pytest.mark.usefixtures("kafka")
def test_a_transaction_that_comes_to_nothing_leaves_no_client(
    first: Minute, kafka_process: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor with a record that was never delivered."""
    before = clients()
    transaction = Transaction(lambda: None)
    with transaction:
        transaction.init()
        transaction.begin()
        monkeypatch.setattr("tasks.output.transaction.CALL_SECONDS", 0)
        monkeypatch.setattr("tasks.output.transaction.TRY_SECONDS", 0.1)
        kafka_process.send(SIGSTOP)
        try:
            transaction.add_unique_count(UniqueCount(first, Stats(), datetime.now(UTC)))
            with pytest.raises(KafkaAway):
                transaction.commit()
        finally:
            kafka_process.send(SIGCONT)
    del transaction
    wait_until(lambda: clients() <= before, "its client is gone")  # one of another test may go as well
