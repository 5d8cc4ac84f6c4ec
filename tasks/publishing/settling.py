"""Settling: what is in Kafka goes out of Redis. Step 6e of the flush."""

from collections.abc import Iterator

from counter.minute import Minute
from counter.store.counts import CountStore
from counter.store.lease import Lease
from tasks.publishing.manners import Manners
from tasks.publishing.steps import step


def settle(store: CountStore, minute: Minute, lease: Lease, manners: Manners) -> None:
    """Delete a minute that is in Kafka. Raises LeaseLost or RedisError, after which it may be run again."""
    with step("6e.settle"):
        manners.exhaust(_delete(store, minute, lease))


def _delete(store: CountStore, minute: Minute, lease: Lease) -> Iterator[None]:
    """By chunks: yields after each."""
    for _ in store.settle(minute):
        lease.extend()
        yield
