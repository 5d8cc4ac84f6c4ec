"""Hosts whose clocks are wrong, around one Redis whose clock is right: they count in its minutes.

A worker with a wrong clock is in test_clock.py, from the other side: there Redis's is the wrong one.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import redis
from redbeat import RedBeatSchedulerEntry

from counter.minute import Minute
from counter.redis import clock
from project.celery import app
from tests.faults.tally import Tally, Worker
from tests.support.callers.load import Load
from tests.support.checker import verify_waiting
from tests.support.clocks import skewed
from tests.support.processes import HOME, run, wait_until
from tests.support.programs import Program
from tests.support.tally.web import serving

CALLS = 200
BEHIND, AHEAD = "-2h", "+1d"
HOUR = timedelta(hours=1)


def test_web_hosts_count_in_redis_minutes(tally: Tally) -> None:
    begin = Minute.at(clock.now(tally.store.client))
    with ExitStack() as stack:
        urls = [
            stack.enter_context(serving("web", 1, f"web{by}.log", **skewed(by))) for by in (BEHIND, AHEAD)
        ]
        loads = [stack.enter_context(Load(url, seed=10 * n)) for n, url in enumerate(urls)]
        for load in loads:
            load.wait_for(CALLS)
        batches = [httpx.post(f"{url}/api/v1/accept/", json={"ids": [1, 2]}).json() for url in urls]
    end = Minute.at(clock.now(tally.store.client))
    for load in loads:
        tally.calls.update(load.calls)
    for batch in batches:
        tally.calls.ok.update([1, 2])
        assert str(begin) <= batch["minute"] <= str(end)
    seen = verify_waiting(tally.calls, tally.valkey)
    assert {str(begin), str(end)} >= seen.waiting.keys()


class Host(Program):
    """A part of Tally on a host whose clock is wrong by so much."""

    def __init__(self, part: str, by: str) -> None:
        name, *options = part.split()
        command = ("celery", "-A", "project", name, *options, "--loglevel=INFO")
        super().__init__(*command, log=HOME / f"{name}{by}.log", env=skewed(by))


@contextmanager
def beat(valkey: redis.Redis, by: str) -> Iterator[None]:
    """One that leads."""
    process = Host("beat --pidfile=", by)
    with run(process):
        wait_until(lambda: valkey.exists("redbeat::lock"), f"it leads, see {process.log}")
        yield


def schedule() -> Any:
    """Beat's entry of the flush."""
    return RedBeatSchedulerEntry.from_key("redbeat:flush-closed-minutes", app=app)


@pytest.mark.parametrize("by", [BEHIND, AHEAD])
def test_the_ticks_of_a_beat_are_heard(tally: Tally, worker: Worker, by: str) -> None:
    tally.end_two_minutes()
    with beat(tally.valkey, by):
        schedule().reschedule(app.now() - HOUR)  # so that it is due now, and not at the end of the minute
        # A worker that has just started flushes without a tick.
        wait_until(lambda: schedule().last_run_at > app.now() - HOUR / 2, "it ticks")
        tally.wait_settled()
    tally.verify()


def test_a_schedule_from_the_future_is_forgotten(tally: Tally) -> None:
    with beat(tally.valkey, AHEAD):
        schedule().reschedule(app.now() + HOUR)
        wait_until(lambda: schedule().last_run_at <= app.now(), "its schedule is of the present")
        assert schedule().due_at <= app.now() + timedelta(minutes=1)
