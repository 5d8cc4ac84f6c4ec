"""The audit of a soak in event mode: its minutes counted again, then one more that was tampered with."""

import redis

from counter.minute import Minute
from counter.redis import clock
from counter.sinks.kafka.sync_producer import SyncProducer
from counter.store.counts import CountStore
from counter.store.keys import WHOLE
from counter.store.offsets import Progress
from tasks.audits.minute_reader import read_ends
from tasks.events.markers import mark
from tasks.publishing.flush import Flush
from tests.support.processes import wait_until
from tests.support.requests_topic import consolidating
from tests.support.tally.audit import audit

ID = 10**12
"""No caller uses it."""

MINUTE_SECONDS = 120
"""For the end of a minute, and more."""


def audit_all(client: redis.Redis, first: Minute, last: Minute) -> None:
    """Raises AssertionError where the minutes differ, or where a planted difference is not found.

    Nothing else may be at work.
    """
    status, text = audit(f"--since={first}", f"--until={last}")
    print(text, end="")
    assert status == 0
    planted = plant(client)
    status, text = audit(f"--since={first}", f"--until={planted}")
    print(f"one call too many in {planted}, on purpose:\n{text}", end="")
    assert status == 1
    assert "2 differences" in text
    assert str(ID) in text


def plant(client: redis.Redis) -> Minute:
    """A minute that was published with one call more than there were events."""
    store = CountStore.known(client)
    minute = SyncProducer().record([ID]).minute
    with consolidating():
        wait_counted(store)
        client.incr(f"{WHOLE.prefix(minute)}{ID}")
        client.hincrby(WHOLE.stats(minute), "total", 1)
        wait_until(lambda: clock.now(store.client) > minute.end, f"{minute} is over", MINUTE_SECONDS)
        mark(minute + 1)
        wait_counted(store)
    assert minute in Flush(store.client).run().published
    return minute


def wait_counted(store: CountStore) -> None:
    """Until no event waits."""
    wait_until(lambda: is_counted(store), "all events are counted")


def is_counted(store: CountStore) -> bool:
    """Whether no event waits."""
    positions = Progress.known(store.client).positions()
    return all(
        min((each.next for each in positions.get(partition, ())), default=0) >= end
        for partition, end in read_ends().items()
    )
