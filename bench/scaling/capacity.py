"""The capacity model: from what a call costs here to what so many calls a second need. Pure arithmetic."""

from dataclasses import dataclass
from math import ceil

UTILISATION = 0.6
"""Of a core, at the busiest: room for a part that is lost, and for callers that don't come evenly."""

DISTINCT = 0.1
"""Assumed: ids among the calls of a minute."""

MINUTES_KEPT = 10
"""In Redis: the present one, the one being published, and room for Kafka to be away as long as the others."""

MEMORY_LIMIT = 0.9
"""Of `maxmemory`, up to which calls are accepted."""

NODE_BYTES = 32 * 10**9
"""Of Redis's memory on one node: more takes long to load after a restart."""

BUCKETS_A_NODE = 4
REPLICATION = 3
BROKER_CORES = 4
MIN_BROKERS = 3


@dataclass(frozen=True)
class Costs:
    """Measured, in seconds of processor time and in bytes."""

    web_call: float
    """Of all threads of a web process, for a call"""
    web_thread_call: float
    """Of the busiest one alone: a process can't do more than one second of it in a second"""
    node_script: float
    """Of a Redis node, for a script whatever its size"""
    node_call: float
    """And for each call in it"""
    batch_seconds: float
    """From one batch of a web process to its next, under full load"""
    worker_id: float
    """Of the flush's worker, for an id"""
    flush_id: float
    """On the clock, for an id, from the first read to the last delete"""
    broker_id: float
    """Of a Kafka broker, for an id"""
    redis_id_bytes: float
    kafka_id_bytes: float
    redis_call_bytes: float
    """On the wire between web and Redis, both ways"""
    http_call_bytes: float
    """On the wire between caller and web, both ways, without the headers of TCP"""


@dataclass(frozen=True)
class Needs:
    """What so many calls a second take."""

    rate: int
    web_processes: int
    web_cores: int
    buckets: int
    redis_nodes: int
    redis_bytes: float
    calls_a_script: float
    brokers: int
    flush_seconds: float
    """For a minute; above 60 it can't keep up"""
    http_bits: float
    redis_bits: float
    kafka_bits: float
    """A second, on the wire"""


def needs(rate: int, costs: Costs, *, routed: bool = False) -> Needs:
    """For so many accept calls a second; `routed`: each web process gets calls of few buckets."""
    webs = _at_least_one(rate * costs.web_thread_call / UTILISATION)
    ids = 60 * rate * DISTINCT
    memory = ids * costs.redis_id_bytes * MINUTES_KEPT / MEMORY_LIMIT
    nodes = _at_least_one(memory / NODE_BYTES)
    while True:  # more nodes need more buckets, and so scripts
        buckets = 1 if nodes == 1 else BUCKETS_A_NODE * nodes
        met = max(1, buckets // webs) if routed else buckets
        calls = calls_a_script(rate, webs, met, costs.batch_seconds)
        cores = rate * (costs.node_script / calls + costs.node_call)
        if (enough := _at_least_one(cores / UTILISATION)) <= nodes:
            break
        nodes = enough
    broker_cpu = ids / 60 * costs.broker_id * REPLICATION
    return Needs(
        rate=rate,
        web_processes=webs,
        web_cores=_at_least_one(rate * costs.web_call / UTILISATION),
        buckets=buckets,
        redis_nodes=nodes,
        redis_bytes=memory,
        calls_a_script=calls,
        brokers=max(MIN_BROKERS, ceil(broker_cpu / (UTILISATION * BROKER_CORES))),
        flush_seconds=ids * costs.flush_id,
        http_bits=8 * rate * costs.http_call_bytes,
        redis_bits=8 * rate * costs.redis_call_bytes,
        kafka_bits=8 * ids / 60 * costs.kafka_id_bytes * REPLICATION,
    )


def calls_a_script(rate: float, webs: int, buckets: int, batch_seconds: float) -> float:
    """A web process sends a batch at a time, in a script for each bucket that any of its calls belongs to."""
    batch = max(1.0, rate / webs * batch_seconds)
    scripts: float = buckets * (1 - (1 - 1 / buckets) ** batch)
    return batch / scripts


def fit(points: list[tuple[float, float, float]]) -> tuple[float, float]:
    """(scripts, calls, seconds) of several runs -> seconds for a script and for a call: least squares.

    Neither is below zero: where noise says so, the other one has all.
    """
    a = [scripts / calls for scripts, calls, _ in points]
    y = [seconds / calls for _, calls, seconds in points]
    n, mean_a, mean_y = len(points), sum(a) / len(points), sum(y) / len(points)
    spread = sum((x - mean_a) ** 2 for x in a)
    script = sum((a[i] - mean_a) * (y[i] - mean_y) for i in range(n)) / spread if spread else 0.0
    script = min(max(script, 0.0), mean_y / mean_a)
    return script, mean_y - script * mean_a


def _at_least_one(number: float) -> int:
    return max(1, ceil(number))
