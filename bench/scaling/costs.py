"""What a call costs, from what was measured."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeVar

from bench.scaling.capacity import Costs, fit
from bench.scaling.measure import BASE, MANY, THREE_NODES, Results, Round

T = TypeVar("T")


def costs(results: Results) -> Costs:
    """Of calls over a cluster of three nodes, which cost most; of ids in sixteen buckets."""
    three, flushes = results.rounds[THREE_NODES], results.flushes[MANY]
    points = [
        (
            middle(of, lambda r: r.scripts),
            middle(of, lambda r: r.calls),
            middle(of, lambda r: r.node_cpu),
        )
        for of in (*results.rounds.values(), *([one] for one in results.batches.values()))
    ]
    script, call = fit(points)
    return Costs(
        web_call=middle(three, lambda r: r.web_cpu / r.calls),
        web_thread_call=middle(three, lambda r: r.web_busiest * THREE_NODES.webs / r.calls),
        node_script=script,
        node_call=call,
        batch_seconds=middle(results.rounds[BASE], lambda r: BASE.webs * r.seconds / r.scripts),
        worker_id=middle(flushes, lambda f: f.worker_cpu / f.ids),
        flush_id=middle(flushes, lambda f: f.seconds / f.ids),
        broker_id=middle(flushes, lambda f: f.broker_cpu / f.ids),
        redis_id_bytes=middle(flushes, lambda f: f.redis_bytes / f.ids),
        kafka_id_bytes=middle(flushes, lambda f: f.broker_bytes / f.ids),
        redis_call_bytes=middle(three, lambda r: r.redis_bytes / r.calls),
        http_call_bytes=results.http_bytes,
    )


def cpu(of: Round) -> float:
    """Seconds of processor time for a call, over all of Tally's processes and Redis's."""
    return (of.web_cpu + of.node_cpu) / of.calls


def middle(of: Sequence[T], figure: Callable[[T], float]) -> float:
    """The median of a figure."""
    return median(figure(one) for one in of)
