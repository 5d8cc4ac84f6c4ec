"""The largest minutes: published exactly, and no other caller of Redis waits for long."""

import subprocess
from random import Random
from threading import Thread

import pytest
import redis

from counter.minute import Minute
from counter.redis.clients import connect, connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from tasks.publishing.flush import Flush
from tests.faults.tally import Tally
from tests.support.checker import Calls, verify, verify_waiting

pytestmark = pytest.mark.django_db

MILLION = 1_000_000
STALL_MICROSECONDS = 10_000
MAX_MICROSECONDS = 500_000
"""What no single command may take, however busy the machine is that takes the processor away from it."""


@pytest.fixture
def redis_commands(tally: Tally) -> redis.Redis:
    """How long its commands take. Where that may be said, it runs whenever it wants: a wait is no command."""
    pid = str(tally.valkey.info("server")["process_id"])
    subprocess.run(["chrt", "--all-tasks", "--rr", "--pid", "1", pid], check=False)
    tally.valkey.config_set("latency-tracking-info-percentiles", "99")
    tally.valkey.config_set("slowlog-log-slower-than", MAX_MICROSECONDS)
    tally.valkey.config_resetstat()
    tally.valkey.slowlog_reset()
    return tally.valkey


@pytest.mark.parametrize("ids", [pytest.param(MILLION, marks=[pytest.mark.slow, pytest.mark.timed]), 1])
def test_a_minute_of_a_million_calls(tally: Tally, redis_commands: redis.Redis, ids: int) -> None:
    for start in range(0, MILLION, 1000):
        tally.accept(*(n % ids for n in range(start, start + 1000)))
    tally.end_minute()
    Flush(tally.store.client).run()
    percentiles = redis_commands.info("latencystats")
    assert all(each["p99"] < STALL_MICROSECONDS for each in percentiles.values()), percentiles
    assert redis_commands.slowlog_get() == []
    tally.verify()


@pytest.mark.parametrize("calls", [100_000, pytest.param(MILLION, marks=pytest.mark.slow)])
def test_writers_race_the_seal(tally: Tally, calls: int) -> None:
    """Each call is in the minute that its caller was told, and in no other."""
    told: list[dict[Minute, Calls]] = [{} for _ in range(4)]
    recorder = SyncWriter(connect_for_accept())

    def write(seed: int) -> None:
        random = Random(seed)
        left = calls // len(told)
        while left > 0:
            ids = [random.randrange(5000) for _ in range(random.randint(1, min(200, left)))]
            minute = recorder.record(ids).minute
            told[seed].setdefault(minute, Calls()).ok.update(ids)
            left -= len(ids)

    writers = [Thread(target=write, args=[seed]) for seed in range(len(told))]
    for writer in writers:
        writer.start()
    store = CountStore.known(connect())
    while any(writer.is_alive() for writer in writers):
        if pending := store.pending():
            PublishingState(tally.store.client).begin_at(pending[0])
            store.seal(pending[-1])
    for writer in writers:
        writer.join()
    of_minute = {minute: Calls() for of_one in told for minute in of_one}
    for of_one in told:
        for minute, of in of_one.items():
            of_minute[minute].ok.update(of.ok)
            tally.calls.ok.update(of.ok)
    assert len(of_minute) > 10
    for minute, of in of_minute.items():
        assert dict(count for chunk in store.counts(minute) for count in chunk) == of.ok
    verify_waiting(tally.calls, tally.valkey)
    tally.store.seal(max(of_minute))
    while tally.store.pending():
        Flush(tally.store.client).run()
    verify(tally.calls, tally.valkey)
