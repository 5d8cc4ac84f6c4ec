"""SIGKILL before and after each step of the flush and each call in it: the same final log."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect
from counter.store.counts import CountStore
from tests.faults.points import Faults
from tests.faults.tally import Tally, Worker, is_alive
from tests.support.checker import verify
from tests.support.processes import wait_until
from tests.support.reset import empty, new_topics

CALLS = {
    "1.lock": ["SET"],
    "2.look": ["GET", "pipeline", "SMEMBERS", "get_watermark_offsets", "assign", "consume"],
    "2.shape": ["SMEMBERS", "pipeline", "GET"],
    "2.init": ["list_topics", "EVALSHA", "init_transactions"],
    "3.open": [],
    "3.last": ["TIME", "GET", "get_watermark_offsets", "assign", "consume", "SMEMBERS", "pipeline"],
    "4.raise": ["SMEMBERS", "EVALSHA"],
    "5.leftovers": ["pipeline"],
    "6.closed": ["TIME", "SMEMBERS", "pipeline", "get_watermark_offsets", "assign", "consume"],
    "6a.seal": ["SMEMBERS", "EVALSHA", "pipeline", "HINCRBY"],
    "6b.begin": ["begin_transaction"],
    "6b.id_counts": ["LRANGE", "MGET", "produce", "EVALSHA"],
    "6b.unique_count": ["produce"],
    "6b.commit": ["EVALSHA", "commit_transaction"],
    "6b.acknowledged": ["SET"],
    "6c.read_back": ["assign", "consume"],
    "6c.published": ["pipeline"],
    "6d.announce": [],
    "6e.settle": ["EVALSHA"],
    "7.resume": ["DEL"],
    "7.clock": ["TIME"],
    "7.unlock": ["EVALSHA"],
    "8.note": ["RPUSH"],
    "8.history": [],
}
"""Every step of a flush, and every call in it, in the order of their first time."""

AGAIN = {
    "3.last/pipeline": [2],
    "6a.seal/pipeline": [2, 3],
    "6b.id_counts/produce": [700],
    "6b.id_counts/MGET": [2],
    "6e.settle/EVALSHA": [2, 3, 4, 5],
}
"""Calls that are worth a kill at a later time, too: the settle of two minutes takes three chunks."""

MOMENTS = ("before", "after")
STEPS = [(f"{step}.{moment}", 1) for step in CALLS for moment in MOMENTS]
CALLS_OF_STEPS = [
    (f"{step}/{call}.{moment}", occurrence)
    for step, calls in CALLS.items()
    for call in calls
    for occurrence in [1, *AGAIN.get(f"{step}/{call}", [])]
    for moment in MOMENTS
]


@pytest.fixture(scope="module")
def long_lived(worker_process: Worker, faults: Faults) -> Iterator[Tally]:
    """One Tally through all kills: every one of them must leave it sound for the next.

    Its worker is a new one, without the retries that other tests may have left in the last one's memory.
    """
    worker_process.kill()
    with connect() as valkey:
        empty(valkey)
        new_topics()
        # In the last seconds of a minute a flush also sends for another one, which comes at the minute's end.
        wait_until(lambda: 3 < clock.now(valkey) % 60 < 35, "a minute is young", 90)
        before = len(faults.reached())
        worker_process.start()
        wait_until(lambda: "7.unlock.after" in faults.reached()[before:], "the flush of its start is over")
        with closing(Tally(valkey, CountStore.known(valkey))) as tally:
            publish_two_minutes(tally, faults)
            yield tally


def publish_two_minutes(tally: Tally, faults: Faults) -> list[str]:
    """Every point that is reached on the way, also behind the settling."""
    tally.end_two_minutes()
    before = len(faults.reached())
    tally.flush()
    wait_until(lambda: "8.history.after" in faults.reached()[before:], "the flush is over")
    return faults.reached()[before:]


def test_the_list_of_points_is_complete(long_lived: Tally, faults: Faults) -> None:
    """And no call is made outside a step."""
    reached = {point.rpartition(".")[0] for point in publish_two_minutes(long_lived, faults)}
    calls = {f"{step}/{call}" for step, calls in CALLS.items() for call in calls}
    assert {name for name in reached if not name.endswith("/SCRIPT LOAD")} == calls | CALLS.keys()


@pytest.mark.parametrize(
    ("point", "occurrence"), STEPS + [pytest.param(*call, marks=pytest.mark.slow) for call in CALLS_OF_STEPS]
)
def test_a_killed_flush_is_finished_by_the_next(
    long_lived: Tally, faults: Faults, point: str, occurrence: int
) -> None:
    long_lived.end_two_minutes()
    faults.arm(point, "kill", occurrence)
    long_lived.send_flush()
    wait_until(lambda: (pid := faults.fired()) and not is_alive(pid), f"killed at {point}")
    long_lived.break_lease()
    long_lived.flush()
    long_lived.verify()


@pytest.mark.parametrize(
    ("point", "occurrence"),
    [
        (f"3.last/pipeline.{moment}", occurrence)
        for occurrence in (2, 5)  # what is pending is read; where the log begins is written
        for moment in MOMENTS
    ],
)
def test_the_first_flush_ever_may_be_killed_as_well(
    tally: Tally, worker: Worker, faults: Faults, point: str, occurrence: int
) -> None:
    """It alone decides where the log begins."""
    tally.accept(1, 1, 2)
    begin = backdate(tally)
    faults.arm(point, "kill", occurrence)
    tally.send_flush()
    wait_until(lambda: (pid := faults.fired()) and not is_alive(pid), f"killed at {point}")
    tally.break_lease()
    tally.send_flush()
    tally.wait_settled(begin)
    assert verify(tally.calls, tally.valkey).unique_counts[0] == (str(begin), 2, 3)


def backdate(tally: Tally) -> Minute:
    """Let the calls so far have come three minutes ago, in a minute that is over."""
    [minute] = tally.store.pending()
    earlier = minute - 3
    for key in tally.valkey.scan_iter(f"*{minute}*"):
        tally.valkey.rename(key, key.replace(str(minute).encode(), str(earlier).encode()))
    for bucket in tally.store.buckets:
        if tally.valkey.delete(bucket.pending):
            tally.valkey.zadd(bucket.pending, {str(earlier): str(earlier)})
    return earlier
