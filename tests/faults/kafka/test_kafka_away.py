"""Kafka is gone: for long, or in the middle of a transaction. Accepting goes on, and all is made up for."""

import os
from signal import SIGCONT

import pytest
from confluent_kafka.admin import AdminClient

from counter.kafka.client import client_config
from tasks.output.open_transaction import open_partitions
from tests.faults.points import Faults
from tests.faults.tally import Tally, Worker
from tests.support.processes import ServerProcess, wait_until

GOT_NOT_THROUGH = "did not get through"


def test_accepting_goes_on_and_the_backlog_drains_in_order(
    tally: Tally, worker: Worker, kafka_process: ServerProcess
) -> None:
    tally.end_two_minutes()
    tally.flush()
    before = worker.output.count(GOT_NOT_THROUGH)
    kafka_process.kill()
    try:
        tally.send_flush()
        for id in range(30):
            tally.accept(id, id, 7)
            tally.end_minute()
        wait_until(lambda: worker.output.count(GOT_NOT_THROUGH) > before, "Kafka counts as away")
        tally.accept(1)
    finally:
        kafka_process.start()
    tally.flush()
    tally.verify()


STAGES = [
    "2.init/init_transactions.before",
    "6b.begin.after",
    "6b.id_counts.after",
    "6b.commit/commit_transaction.before",
    "6b.commit/commit_transaction.after",
    "6c.read_back/consume.before",
]
COMMITTED = STAGES[-2:]


def stop_at(stage: str, tally: Tally, faults: Faults) -> None:
    """A flush that sleeps there; behind a commit, once that is in each partition.

    What Kafka forgets when it is killed before: test_forgotten.py.
    """
    faults.arm(stage, "stop")
    tally.send_flush()
    wait_until(faults.fired, f"at {stage}")
    if stage in COMMITTED:
        with AdminClient(client_config()) as admin:
            wait_until(lambda: not open_partitions(admin), "the transaction has ended")


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=[] if "commit" in stage else pytest.mark.slow) for stage in STAGES]
)
def test_killed_in_a_transaction(
    tally: Tally, worker: Worker, faults: Faults, kafka_process: ServerProcess, stage: str
) -> None:
    tally.end_two_minutes()
    stop_at(stage, tally, faults)
    kafka_process.kill()
    kafka_process.start()
    os.kill(faults.fired() or 0, SIGCONT)
    tally.send_flush()  # the next tick: the one that slept may have lost its lease
    tally.wait_settled()
    tally.verify()


@pytest.mark.parametrize("stage", [pytest.param(stage, marks=pytest.mark.slow) for stage in STAGES])
def test_killed_in_a_transaction_and_away_for_long(
    tally: Tally, worker: Worker, faults: Faults, kafka_process: ServerProcess, stage: str
) -> None:
    tally.end_two_minutes()
    before = worker.output.count(GOT_NOT_THROUGH)
    stop_at(stage, tally, faults)
    kafka_process.kill()
    try:
        os.kill(faults.fired() or 0, SIGCONT)
        wait_until(lambda: worker.output.count(GOT_NOT_THROUGH) > before, "Kafka counts as away")
    finally:
        kafka_process.start()
    tally.flush()
    tally.verify()
