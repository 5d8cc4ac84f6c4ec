"""Flush tasks in every number and order that a broker can make of them: a message is only a hint."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from counter.accepting.callback_queue import UNACKNOWLEDGED
from counter.minute import Minute
from counter.store.keys import WHOLE
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH, FLUSH_QUEUE
from project.celery import app
from tests.faults.tally import Tally, Worker
from tests.support.processes import run, wait_until


@pytest.fixture
def four_workers(worker: Worker) -> Iterator[None]:
    """The common worker has two processes, and there are two more."""
    others = [Worker("second", "--concurrency=1"), Worker("third", "--pool=solo")]
    with ExitStack() as stack:
        for other in others:
            stack.enter_context(run(other))
        for other in others:
            other.wait_ready()
        yield


def send_twenty(tally: Tally) -> None:
    for _ in range(20):
        tally.send_flush()


@pytest.mark.usefixtures("four_workers")
def test_twenty_tasks_at_once_make_progress_and_no_duplicate(tally: Tally) -> None:
    for _ in range(3):
        tally.end_two_minutes()
        send_twenty(tally)
        tally.wait_settled()
    tally.verify()


@pytest.mark.slow
@pytest.mark.usefixtures("four_workers")
def test_twenty_tasks_whose_lease_is_broken_again_and_again(tally: Tally) -> None:
    """They fence one another, which is a normal return, and one gets through."""
    tally.end_two_minutes()
    for _ in range(20):
        tally.send_flush()
        tally.break_lease()
        time.sleep(0.1)
    tally.flush()
    tally.verify()


def test_a_message_that_is_lost_is_made_up_for_by_the_next(tally: Tally, worker: Worker) -> None:
    worker.stop()
    tally.end_two_minutes()
    tally.send_flush()
    tally.valkey.delete(FLUSH_QUEUE)
    tally.end_two_minutes()
    worker.start()
    worker.wait_ready()  # and sends itself a message, as every worker does
    tally.wait_settled()
    tally.verify()


def test_a_message_that_comes_twice_or_an_hour_late_changes_nothing(tally: Tally, worker: Worker) -> None:
    tally.end_two_minutes()
    worker.stop()
    app.send_task(FLUSH, task_id="same")
    [message] = tally.valkey.lrange(FLUSH_QUEUE, 0, -1)
    worker.start()
    worker.wait_ready()
    tally.wait_settled()
    tally.verify()
    for _ in range(3):
        tally.end_two_minutes()
        tally.valkey.lpush(FLUSH_QUEUE, message, message)
        tally.wait_settled()
        tally.valkey.lpush(FLUSH_QUEUE, message)
        wait_until(lambda: not tally.valkey.llen(FLUSH_QUEUE), "it is taken")
    tally.verify()


def test_an_emptied_broker_takes_messages_again(tally: Tally, worker: Worker) -> None:
    """Its bindings are gone as well."""
    tally.end_two_minutes()
    tally.flush()
    for key in tally.valkey.scan_iter("_kombu*"):
        tally.valkey.delete(key)
    tally.end_two_minutes()
    tally.flush()
    tally.verify()


def test_publishing_goes_on_soon_after_a_repair(tally: Tally, worker: Worker) -> None:
    """By the message that found it halted: no other one is sent."""
    wait_until(
        lambda: not (tally.valkey.llen(FLUSH_QUEUE) or tally.valkey.hlen(UNACKNOWLEDGED)),
        "the worker has done what it sent itself",
    )
    tally.end_two_minutes()
    stats = WHOLE.stats(Minute.parse(tally.log[0][0]))
    tally.valkey.hincrby(stats, "unique", 1)
    tally.send_flush()
    wait_until(PublishingState(tally.valkey).halted, "publishing has stopped")
    assert tally.store.settled() is None
    tally.valkey.hincrby(stats, "unique", -1)
    tally.wait_settled()
    assert not PublishingState(tally.valkey).halted()
    tally.verify()
