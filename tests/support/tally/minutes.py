"""Minutes as the console finds them: in Redis, and in the history."""

from datetime import UTC, datetime

import redis

from counter.minute import Minute
from counter.models import PublishedMinute
from counter.store.keys import WHOLE

HOME, LIVE = "/admin/", "/admin/counter/pendingminute/live/"
HISTORY = "/admin/counter/publishedminute/"


def wait_in_redis(valkey: redis.Redis, minute: Minute, counts: dict[int, int]) -> None:
    """Let the minute have these counts, as accepting leaves them."""
    valkey.mset({f"{minute}_{id}": count for id, count in counts.items()})
    valkey.rpush(WHOLE.ids(minute), *counts)
    valkey.hset(WHOLE.stats(minute), mapping={"unique": len(counts), "total": sum(counts.values())})
    valkey.zadd(WHOLE.pending, {str(minute): float(str(minute))})


def publish(minute: Minute, unique: int = 3, total: int = 5, lag: float = 1.0, offset: int = 7) -> None:
    """A row of the history."""
    PublishedMinute.objects.create(
        key=str(minute),
        start=minute.start,
        unique=unique,
        total=total,
        published_at=datetime.fromtimestamp(minute.end + lag, UTC),
        lag_seconds=lag,
        partition=0,
        offset=offset,
        attempts=1,
    )
