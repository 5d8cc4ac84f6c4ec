"""A flusher that is stopped, overtaken by a successor, and wakes up: it commits and deletes nothing."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from signal import SIGCONT, SIGKILL

import pytest

from counter.store.lease import LEASE_SECONDS, Lease
from tasks.errors import Fenced, StartOver
from tasks.kafka.topics import PARTITION
from tasks.output import transaction
from tasks.output.published_log import PublishedLog
from tasks.publishing import steps
from tasks.publishing.flush import Flush
from tests.faults.points import Faults
from tests.faults.tally import Tally, Worker, is_alive
from tests.support.processes import wait_until

OVERTAKEN = "another flusher has taken over"


class Zombie:
    """The child of a worker that was stopped at a point."""

    def __init__(self, worker: Worker, pid: int) -> None:
        self._worker = worker
        self.pid = pid
        self._seen = worker.output.count(OVERTAKEN)

    def wake(self) -> None:
        """Let it go on, until it has noticed that it was overtaken."""
        os.kill(self.pid, SIGCONT)
        wait_until(lambda: self._worker.output.count(OVERTAKEN) > self._seen, "it stops by itself")


@pytest.fixture
def stopped(worker: Worker, faults: Faults) -> Iterator[list[int]]:
    """Children that were stopped; none stays so."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGCONT)


def stop_at(tally: Tally, faults: Faults, point: str, occurrence: int, stopped: list[int]) -> int:
    faults.arm(point, "stop", occurrence)
    tally.send_flush()
    wait_until(faults.fired, f"stopped at {point}")
    pid = faults.fired()
    assert pid
    stopped.append(pid)
    return pid


POINTS = [
    ("2.init/init_transactions.before", 1),
    ("2.init/init_transactions.after", 1),
    ("4.raise/EVALSHA.before", 1),
    ("6a.seal/EVALSHA.before", 1),
    ("6b.id_counts/produce.after", 700),
    ("6b.commit/commit_transaction.before", 1),
    ("6b.commit/commit_transaction.after", 1),
    ("6c.published/pipeline.before", 1),
    ("6e.settle/EVALSHA.before", 1),
    ("6e.settle/EVALSHA.after", 1),
    ("6e.settle/EVALSHA.before", 3),
]


@pytest.mark.parametrize(("point", "occurrence"), POINTS)
def test_an_overtaken_flusher_changes_nothing(
    tally: Tally, worker: Worker, faults: Faults, stopped: list[int], point: str, occurrence: int
) -> None:
    tally.end_two_minutes()
    zombie = Zombie(worker, stop_at(tally, faults, point, occurrence, stopped))
    tally.break_lease()
    tally.flush()
    # What it might still touch: minutes that are not published.
    tally.accept(*range(50))
    tally.end_minute()
    tally.accept(7)
    zombie.wake()
    tally.accept(8)
    tally.flush()
    tally.verify()


def test_a_lease_runs_out_by_itself(tally: Tally, worker: Worker, faults: Faults, stopped: list[int]) -> None:
    tally.end_two_minutes()
    begin = time.monotonic()
    zombie = Zombie(worker, stop_at(tally, faults, "6b.commit/commit_transaction.before", 1, stopped))
    tally.flush()
    assert time.monotonic() - begin < LEASE_SECONDS + 30
    zombie.wake()
    tally.verify()


def test_a_killed_zombie_is_no_more_than_a_killed_flusher(
    tally: Tally, worker: Worker, faults: Faults, stopped: list[int]
) -> None:
    tally.end_two_minutes()
    pid = stop_at(tally, faults, "6b.commit/commit_transaction.before", 1, stopped)
    tally.break_lease()
    tally.flush()
    os.kill(pid, SIGKILL)
    wait_until(lambda: not is_alive(pid), "it is dead")
    tally.verify()


@pytest.mark.django_db
def test_a_transaction_that_timed_out_is_begun_anew(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "TRANSACTION_TIMEOUT_MS", 2_000)
    monkeypatch.setattr(Lease, "extend", lambda self: None)  # or it would stop before it commits
    ended: list[bool] = []

    def sleep(point: str) -> None:
        if point == "6b.commit.before" and not ended:
            wait_until(aborted, "the broker has aborted it: it looks every 10 seconds")
            ended.append(True)

    monkeypatch.setattr(steps, "watchers", [sleep])
    tally.end_two_minutes()
    with suppress(Fenced, StartOver):
        Flush(tally.store.client).run()
    assert ended
    Flush(tally.store.client).run()
    tally.verify()


def aborted() -> bool:
    """Whether an end of a transaction stands in unique-counts."""
    with PublishedLog() as log:
        return log.is_used(PARTITION)
