"""Redis's clock, which decides the minute of a call."""

import redis

from counter.redis.clients import masters


def of_nodes(client: redis.Redis) -> list[float]:
    """The time on every node, in Unix seconds: it decides the minute of the calls in its buckets."""
    times = [node.time() for node in masters(client)]
    return [float(seconds) + float(microseconds) / 1e6 for seconds, microseconds in times]


def now(client: redis.Redis) -> float:
    """The latest time that it is on every node: a minute that is over then is over everywhere."""
    return min(of_nodes(client))
