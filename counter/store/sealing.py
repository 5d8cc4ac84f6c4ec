"""Sealing everywhere: no write can land in a minute any more, in whichever bucket."""

import redis

from counter.minute import Minute
from counter.store.counts import CountStore
from counter.store.registry import known_buckets


def seal_everywhere(client: redis.Redis, minute: Minute) -> CountStore:
    """Close this minute and all before it for good, and return all that may have something of them.

    Whoever adds a bucket registers it before he looks how far is sealed. So each bucket that is not known
    here begins behind the minute.
    """
    store = CountStore(client, ())
    while store.buckets != (known := known_buckets(client)):
        store = CountStore(client, known)
        store.seal(minute)
    return store
