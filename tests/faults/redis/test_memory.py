"""Redis is full: calls are refused whole, and the flush, its queue and beat have room left to free memory."""

from collections.abc import Iterator
from itertools import count

import pytest
import redis
from redis.exceptions import OutOfMemoryError

from counter.sinks.outcome import Unavailable
from tasks.publishing.flush import Flush
from tests.faults.tally import Tally, Worker
from tests.support.directives import configured, used_memory


@pytest.fixture
def limited(tally: Tally) -> Iterator[redis.Redis]:
    """Room for some ten thousand ids more."""
    with configured(tally.valkey, "maxmemory", used_memory(tally.valkey) * 2 + 1_000_000):
        yield tally.valkey


def fill(tally: Tally) -> None:
    """Call until it is refused."""
    ids = count(10**15)
    with pytest.raises(Unavailable, match="maxmemory"):
        while True:
            batch = [next(ids) for _ in range(500)]
            tally.accept(*batch)


def test_full_of_calls_the_worker_and_its_queue_go_on(
    tally: Tally, worker: Worker, limited: redis.Redis
) -> None:
    for _ in range(2):
        fill(tally)
        limited.set("any key of beat's", "x" * 1000)
        tally.end_minute()
        tally.flush()
        tally.verify()


@pytest.mark.django_db
def test_full_to_the_brim_the_flush_itself_still_works(tally: Tally, limited: redis.Redis) -> None:
    tally.end_two_minutes()
    Flush(tally.store.client).run()
    fill(tally)
    with pytest.raises(OutOfMemoryError):
        for n in range(100_000):
            limited.set(f"brim:{n}", "x" * 10_000)
    tally.end_minute()
    Flush(tally.store.client).run()
    tally.verify()
    tally.accept(1)
