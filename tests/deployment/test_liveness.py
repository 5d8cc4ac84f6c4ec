"""`tally answers`: by it what supervises a worker learns that one is of no use any more."""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from signal import SIGKILL

import pytest
import redis
from django.core.management import CommandError, call_command

from counter.monitoring import exposition
from counter.store.counts import CountStore
from tasks.publishing import steps
from tests.faults.points import Faults
from tests.faults.tally import Tally, Worker
from tests.support.processes import HOME, run, wait_until


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    folder = HOME / "liveness"
    monkeypatch.setenv("TALLY_FAULTS", str(folder))
    return Faults(folder)


@pytest.fixture
def worker(faults: Faults, kafka: None, valkey: redis.Redis) -> Iterator[Worker]:
    worker = Worker("liveness", "--concurrency=2")
    with run(worker):
        worker.wait_ready()
        yield worker


def looks_alive() -> bool:
    """The first answer may come over a connection to a Redis that another test has killed."""
    try:
        call_command("answers", "liveness")
    except CommandError:
        return False
    return True


def test_a_worker_that_hangs_in_a_step_does_not_look_alive(
    worker: Worker, faults: Faults, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a metric says in which; a process that is gone hangs no more."""
    with closing(Tally(valkey, CountStore.known(valkey))) as system:
        system.accept(1)
        system.end_minute()
        faults.arm("6b.commit/commit_transaction.before", "stop")
        system.send_flush()
        wait_until(faults.fired, "it hangs")
        wait_until(looks_alive, "a process in a step looks alive")
        monkeypatch.setattr(steps, "MAX_SECONDS", 0.0)
        # Another may be at a step, too: the lease runs out after fifteen seconds.
        with pytest.raises(CommandError, match=r"hangs in (.*, )?6b\.commit"):
            call_command("answers", "liveness")
        hung = faults.fired()
        assert hung
        sample = rf'^tally_flush_step_begin_timestamp_seconds\{{pid="{hung}",step="6b.commit"\}} [1-9]'
        assert re.search(sample, exposition.scrape().decode(), re.MULTILINE)
        os.kill(hung, SIGKILL)
        system.break_lease()
        system.wait_settled()
        wait_until(lambda: not steps.overdue(), "none hangs")


@pytest.mark.usefixtures("valkey")
def test_a_worker_that_does_not_answer_is_not_alive() -> None:
    with pytest.raises(CommandError, match="does not answer"):
        call_command("answers", "nobody")
