"""Late calls: of minutes that are published without them, so that they can only count in the present one.

Where others have published the minute, an operator's command has them do that: only he knows that they were
not among the published ones. A flush does it by itself for a counter that the minute's transaction did not
know.
"""

from collections.abc import Sequence

import redis

from counter.minute import Minute
from counter.store.counts import CHUNK, CountStore
from counter.store.keys import Bucket
from counter.store.registry import known_buckets
from counter.store.script import Script


def carry(client: redis.Redis, minutes: Sequence[Minute], buckets: Sequence[Bucket]) -> None:
    """Move the counts of these sealed minutes, each to the minute that is current then. May be run again."""
    script = client.register_script(Script("carry").text)
    for minute in minutes:
        for bucket in buckets:
            left = 1
            while left:
                home = CountStore(client, [bucket]).present()
                left = script(keys=_names(bucket, minute, home), args=[str(minute), str(home), CHUNK])


def _names(bucket: Bucket, minute: Minute, home: Minute) -> list[str]:
    of_both = [[bucket.ids(each), bucket.stats(each), bucket.prefix(each)] for each in (minute, home)]
    return [bucket.sealed, bucket.pending, *of_both[0], *of_both[1]]


def are_spread(client: redis.Redis, minutes: Sequence[Minute], buckets: int) -> bool:
    """Whether these minutes are in the `buckets` of now alone: ids of others may live elsewhere now."""
    before = [bucket for bucket in known_buckets(client) if bucket.count != buckets]
    return not before or not any(each.total for each in CountStore(client, before).stats(list(minutes)))
