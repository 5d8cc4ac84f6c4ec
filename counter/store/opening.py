"""Opening a counter: what has to be done once before its first call is counted.

A flush seals a minute in every bucket that it knows before it reads it. So a counter that it does not know
must not count in that minute. Its buckets have no layout, and the scripts refuse it, until it is opened:

1  register  the counter joins `tally:counters`: from now on every flush seals, reads and settles its buckets
2  seal      its buckets, up to where any is sealed: a flush that did not know it has got no further
3  begin     its progress with each partition, in event mode: where the default counter stands
4  open      the layout of its buckets, as that of the default counter is

A crash in between leaves it refused, and is healed by running it again: whoever meets the refusal does so.
"""

from collections.abc import Sequence

import redis
from django.conf import settings
from redis.exceptions import ResponseError

from counter.redis.clients import master_of
from counter.redis.replication import replicated
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.keys import Bucket
from counter.store.offsets import Progress
from counter.store.rebucketing import CLOSED, misfit
from counter.store.registry import register


class NotOpened(ResponseError):
    """Ids are not spread over REDIS_BUCKETS, so this process may not count; `set_buckets` does that."""


def open_counter(client: redis.Redis, counter: str) -> None:
    """Have the counter count, unless it does. May be run again at any time. Raises RedisError; NotOpened."""
    register(client, counter)
    buckets = keys.buckets(settings.REDIS_BUCKETS, counter)
    if _are_open(client, buckets):
        return
    _check_layout(client)
    if sealed := CountStore.known(client).sealed():
        CountStore(client, buckets).seal(sealed)
    Progress(client).begin_counter(counter)
    for bucket in buckets:
        with replicated(master_of(client, bucket.layout)) as pipe:
            pipe.set(bucket.layout, settings.REDIS_BUCKETS, nx=True)
    try:
        _check_layout(client)  # again: a change of the number that did not know these buckets has begun since
    except NotOpened:
        for bucket in buckets:
            with replicated(master_of(client, bucket.layout)) as pipe:
                pipe.set(bucket.layout, CLOSED)
        raise


def _are_open(client: redis.Redis, buckets: Sequence[Bucket]) -> bool:
    with client.pipeline(transaction=False) as pipe:
        for bucket in buckets:
            pipe.exists(bucket.layout)
        return all(pipe.execute())


def _check_layout(client: redis.Redis) -> None:
    if why := misfit(client):
        raise NotOpened(why)
