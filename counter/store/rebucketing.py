"""Layout: over how many buckets the ids are spread, and how that is changed while calls come in.

An id must not be counted in two buckets in one minute: it would be unique twice. So each bucket knows for how
many buckets it may be counted in, and the scripts that count refuse all others. A change closes every bucket,
seals the present minute in all of them, and only then opens the new ones: each minute has one layout.

1  register  the new number joins `tally:buckets`: from now on every flush seals, reads and settles those, too
2  close     nothing can be counted in any bucket, old or new, of any counter that was ever opened
3  seal      the last minute in which anything can have been counted; the new buckets begin after it
4  open      the new buckets, for processes with the new REDIS_BUCKETS alone

A crash in between leaves calls refused, and is healed by running it again. What waits in the old buckets is
published from there.

Events are another matter: which minute they belong to is up to their log, not to a seal, and how far they are
counted stands in their buckets. So the number can't be changed while any are counted.
"""

import redis
from django.conf import settings

from counter.counters import DEFAULT
from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import is_cluster, master_of
from counter.redis.replication import replicated
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.keys import Bucket, Garbled
from counter.store.offsets import event_buckets
from counter.store.publishing_state import PublishingState
from counter.store.registry import known_buckets, register, registered
from counter.store.sealing import seal_everywhere

CLOSED = 0


class EventsAreCounted(Exception):
    """In event mode the number of buckets can't be changed: it has to be left first."""


def misfit(client: redis.Redis) -> str | None:
    """Why this process may not count, where ids are not spread over REDIS_BUCKETS; None where they are."""
    found = _layout(client, keys.buckets(settings.REDIS_BUCKETS)[0])
    if found == settings.REDIS_BUCKETS:
        return None
    present = f"over {found} buckets" if found else "over another number, or that is being changed"
    return f"REDIS_BUCKETS is {settings.REDIS_BUCKETS}, and ids are spread {present}: see tally set_buckets"


def spread_over(client: redis.Redis, count: int) -> bool:
    """Spread ids over so many buckets from now on; False where they are already.

    Calls that come meanwhile are refused, and so are afterwards those of processes with another number.
    Raises RedisError; EventsAreCounted.
    """
    if all(_layout(client, bucket) == count for bucket in _new(client, count)):
        return False
    _check_events(client, count)
    _write(client, keys.BUCKETS, "SADD", count, *([] if is_cluster() else [1]))
    for counter in settings.COUNTERS:
        register(client, counter)
    _close(client)
    _check_events(client, count)  # once more: a consolidator may just have begun
    _seal(client)
    for bucket in _new(client, count):
        _write(client, bucket.layout, "SET", count)
    return True


def _new(client: redis.Redis, count: int) -> tuple[Bucket, ...]:
    return keys.places(count, (DEFAULT, *registered(client)))


def _close(client: redis.Redis) -> None:
    """2: a counter may be opened meanwhile, which looks at the default one's layout before and after."""
    closed: set[Bucket] = set()
    while left := [bucket for bucket in known_buckets(client) if bucket not in closed]:
        for bucket in left:
            _write(client, bucket.layout, "SET", CLOSED)
        closed.update(left)


def _check_events(client: redis.Redis, count: int) -> None:
    """Raise EventsAreCounted where that is not in so many buckets: to which a change goes back."""
    tags = {bucket.tag for bucket in event_buckets(client)}
    if tags and tags != {bucket.tag for bucket in keys.buckets(count)}:
        raise EventsAreCounted(
            f"events are counted in {len(tags)}: leave event mode first, docs/operations.md"
        )


def _seal(client: redis.Redis) -> None:
    """3: the present minute, or the last one that has anything; none where nothing was ever counted."""
    store = CountStore.known(client)
    pending, sealed = store.pending(), store.sealed()
    if not sealed:
        if not pending:
            return
        PublishingState(client).begin_at(pending[0])
    known = [*pending[-1:], *filter(None, [sealed])]
    seal_everywhere(client, max([Minute.at(max(clock.of_nodes(client))), *known]))


def _layout(client: redis.Redis, bucket: Bucket) -> int:
    value = client.get(bucket.layout)
    if value and not value.isdigit():
        raise Garbled(bucket.layout, value)
    if value is None:
        return CLOSED if bucket.counter else 1
    return int(value)


def _write(client: redis.Redis, name: str, command: str, *values: int) -> None:
    """Where accepting waits for replicas, so does this: a failover must not take it back."""
    with replicated(master_of(client, name)) as pipe:
        pipe.execute_command(command, name, *values)  # type: ignore[no-untyped-call]
