"""SIGTERM of a worker and of a beat, with work under way. The web server: deployment/test_shutdown.py."""

from signal import SIGTERM

import pytest

from counter.store import keys
from tests.faults.points import Faults
from tests.faults.tally import Tally, Worker
from tests.support.processes import HOME, run, wait_until
from tests.support.programs import Program
from tests.support.reading import unique_counts


@pytest.mark.parametrize(
    "point", ["6b.commit.before", pytest.param("6e.settle/EVALSHA.after", marks=pytest.mark.slow)]
)
def test_a_worker_finishes_the_minute_that_it_is_at(
    tally: Tally, worker: Worker, faults: Faults, point: str
) -> None:
    with tally.undisturbed():  # one that began before knows of one minute only
        tally.end_two_minutes()
        faults.arm(point, "delay")
    tally.send_flush()
    wait_until(faults.fired, f"in the middle, at {point}")
    try:
        assert worker.stop() == 0
        tally.wait_settled()
        tally.verify()
    finally:
        worker.start()
        worker.wait_ready()


def test_a_worker_stops_under_load_of_tasks(tally: Tally, worker: Worker) -> None:
    for _ in range(5):
        tally.end_two_minutes()
        for _ in range(5):
            tally.send_flush()
    assert worker.stop() == 0
    published = {row[0] for row in unique_counts()}
    assert not published & {str(minute) for minute in tally.store.pending()}, "no minute is half done"
    worker.start()
    worker.wait_ready()
    tally.flush()
    tally.verify()


def test_a_beat_stops_and_lets_go_of_the_lead(tally: Tally) -> None:
    beat = Program("tally", "beat", log=HOME / "beat.log")
    with run(beat):
        wait_until(lambda: tally.valkey.exists(keys.BEAT), "it leads, and knows")
        beat.send(SIGTERM)
        assert beat.wait() == 0
    assert not tally.valkey.exists("redbeat::lock")
