"""Several beats: one schedule, whoever dies. These tests wait for minutes of the clock."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis

from counter.minute import Minute
from tests.faults.tally import Tally, Worker
from tests.support.processes import BIN, HOME, Process, ServerProcess, run, wait_until
from tests.support.reading import unique_counts

pytestmark = pytest.mark.slow

LEAD = "redbeat::lock"
FAILOVER_SECONDS = 30
TICK = "Sending due task flush-closed-minutes"


class Beat(Process):
    """A beat under something that restarts it: one that loses the lead ends by itself."""

    def __init__(self, name: str) -> None:
        beat = f"{BIN / 'celery'} -A project beat --pidfile= --loglevel=INFO"
        super().__init__(["sh", "-c", f"while true; do {beat}; sleep 1; done"], HOME / f"{name}.log")

    @property
    def ticks(self) -> int:
        return self.output.count(TICK)


@pytest.fixture
def beats(tally: Tally, worker: Worker) -> Iterator[list[Beat]]:
    beats = [Beat(f"beat-{n}") for n in range(3)]
    with ExitStack() as stack:
        for beat in beats:
            stack.enter_context(run(beat))
        wait_until(lambda: tally.valkey.exists(LEAD), "one leads")
        yield beats


def leader(valkey: redis.Redis, beats: list[Beat]) -> Beat:
    """The one that was the last to say that it took the lead."""
    wait_until(lambda: valkey.exists(LEAD), "one leads")
    return max(beats, key=lambda beat: beat.output.rfind("Acquired lock") >= 0 and beat.log.stat().st_mtime)


def lead_of(valkey: redis.Redis) -> bytes | None:
    value = valkey.get(LEAD)
    return value if isinstance(value, bytes) else None


def ticks(beats: list[Beat]) -> int:
    return sum(beat.ticks for beat in beats)


def pass_minute(tally: Tally, beats: list[Beat]) -> None:
    """Wait until the minute that is current now is in the topic."""
    minute = tally.accept(1)
    wait_until(
        lambda: (tally.store.settled() or Minute(0)) >= minute,
        f"{minute} is published",
        180,
    )


def test_one_schedule_whichever_beat_dies(tally: Tally, beats: list[Beat]) -> None:
    pass_minute(tally, beats)
    before, begin = ticks(beats), time.monotonic()
    pass_minute(tally, beats)
    assert ticks(beats) - before <= (time.monotonic() - begin) / 60 + 1, "one tick a minute, not three"
    lead = lead_of(tally.valkey)
    for beat in beats:
        if beat.ticks:
            beat.kill()
    wait_until(lambda: lead_of(tally.valkey) not in (lead, None), "another leads", FAILOVER_SECONDS)
    pass_minute(tally, beats)
    tally.valkey.delete(LEAD)
    pass_minute(tally, beats)
    published = [minute for minute, _, _ in unique_counts()]
    first = Minute.parse(published[0])
    assert published == [str(first + n) for n in range(len(published))], "no minute is missed"


def test_redis_away_for_a_minute(
    tally: Tally, beats: list[Beat], worker: Worker, valkey_process: ServerProcess
) -> None:
    pass_minute(tally, beats)
    valkey_process.kill()
    time.sleep(60)
    valkey_process.start()
    worker.keep()
    pass_minute(tally, beats)
    published = [minute for minute, _, _ in unique_counts()]
    first = Minute.parse(published[0])
    assert published == [str(first + n) for n in range(len(published))], "no minute is missed"
