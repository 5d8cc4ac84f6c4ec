"""What was measured and what follows from it: one page of tables."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import TypeVar

from bench.load import CONNECTIONS
from bench.scaling.capacity import DISTINCT, MINUTES_KEPT, UTILISATION, Costs, Needs, fit, needs
from bench.scaling.measure import (
    BASE,
    CROWD,
    FEW,
    FOUR,
    FOUR_BUCKETS,
    MANY,
    MANY_BUCKETS,
    ONE,
    ONE_NODE,
    THREE_NODES,
    Flushed,
    Results,
    Round,
)
from bench.scaling.shapes import Shape

T = TypeVar("T")
RATES = (10_000, 1_000_000, 10_000_000)
SATURATED = 0.85
"""Of a core: a thread that has so much of one can't do much more."""

REACH = 1.15


def text(results: Results) -> str:
    """Markdown."""
    shapes = [_shape(str(shape), of) for shape, of in results.rounds.items()]
    shapes += [_shape(f"{shape}, {CROWD:,} connections", of) for shape, of in results.crowds.items()]
    return "\n".join(
        [
            "# One run of `python -m bench.scaling`",
            "",
            "[scaling.md](../scaling.md) says what it means.",
            "",
            "## Under full load",
            "",
            *_table(_SHAPES, shapes),
            "",
            *_table(("figure", "measured", "spread", "reach"), _figures(results)),
            "",
            "## What is full first",
            "",
            *_table(_FULL, _saturation(results)),
            "",
            "## A minute on its way to Kafka",
            "",
            *_table(_FLUSHES, (_flush(buckets, of) for buckets, of in results.flushes.items())),
            "",
            "## What so many calls a second need",
            "",
            f"With every core {UTILISATION:.0%} busy, {DISTINCT:.0%} of a minute's calls with an id of their"
            f" own, {MINUTES_KEPT} minutes kept, three replicas of each record.",
            "",
            *capacity(costs(results)),
            "",
            "From these costs:",
            "",
            *_table(("cost", "measured"), _costs(costs(results))),
            "",
            *_table(("on", ""), results.machine.items()),
            "",
        ]
    )


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


_SHAPES = (
    "shape",
    "calls/s",
    "least",
    "most",
    "CPU µs a call",
    "… of web",
    "… of Redis",
    "calls a script",
    "bytes to and from Redis",
    "… to its file",
    "MB of web",
)


def _shape(name: str, of: Sequence[Round]) -> tuple[str, ...]:
    rates = [r.calls / r.seconds for r in of]
    figures = (
        (lambda r: 1e6 * cpu(r), 1),
        (lambda r: 1e6 * r.web_cpu / r.calls, 1),
        (lambda r: 1e6 * r.node_cpu / r.calls, 2),
        (lambda r: r.calls / r.scripts, 1),
        (lambda r: r.redis_bytes / r.calls, 0),
        (lambda r: r.file_bytes / r.calls, 0),
        (lambda r: r.web_megabytes, 0),
    )
    return (
        name,
        *(f"{rate:,.0f}" for rate in (median(rates), min(rates), max(rates))),
        *(f"{middle(of, figure):.{digits}f}" for figure, digits in figures),
    )


def _figures(results: Results) -> Iterator[tuple[str, ...]]:
    """(what, measured, spread, reach): each by rounds."""
    for what, more, less in (
        ("4 buckets ÷ 1", FOUR_BUCKETS, BASE),
        ("2 web processes ÷ 1", BASE, ONE),
        ("4 web processes ÷ 1", FOUR, ONE),
    ):
        yield f"CPU a call: {what}", *_costs_ratio(results.rounds, more, less), ""
    for what, more, less in (("16 buckets ÷ 1", MANY_BUCKETS, BASE), ("3 nodes ÷ 1", THREE_NODES, ONE_NODE)):
        for connections, rounds in ((CONNECTIONS, results.rounds), (CROWD, results.crowds)):
            name = f"CPU a call: {what}, {connections:,} connections"
            yield name, *_costs_ratio(rounds, more, less), f"below {REACH}"
    pairs_of_flushes = zip(results.flushes[MANY], results.flushes[FEW], strict=True)
    seconds = _ratios(many.seconds / few.seconds for many, few in pairs_of_flushes)
    yield "seconds of a flush: 16 buckets ÷ 1", *seconds, "1"


def _costs_ratio(rounds: dict[Shape, list[Round]], more: Shape, less: Shape) -> tuple[str, str]:
    return _ratios(cpu(a) / cpu(b) for a, b in zip(rounds[more], rounds[less], strict=True))


def _ratios(ratios: Iterable[float]) -> tuple[str, str]:
    of = list(ratios)
    return f"{median(of):.2f}", f"{min(of):.2f} to {max(of):.2f}"


_FULL = ("load", "a second", "the model's most", "busiest thread of web", "… of a node", "full first")


def _saturation(results: Results) -> Iterator[tuple[str, ...]]:
    of = costs(results)
    for shape in (ONE, BASE, FOUR, THREE_NODES):
        rounds = results.rounds[shape]
        script = of.node_script * middle(rounds, lambda r: r.scripts / r.calls)
        most = min(shape.webs / of.web_thread_call, shape.nodes / (script + of.node_call))
        yield _full(str(shape), rounds, most)
    for shape, one in results.batches.items():
        most = shape.nodes / (of.node_script * one.scripts / one.calls + of.node_call)
        yield _full(f"batch calls of 1,000 ids: {shape}", [one], most)


def _full(load: str, of: Sequence[Round], most: float) -> tuple[str, ...]:
    web = middle(of, lambda r: r.web_busiest / r.seconds)
    node = middle(of, lambda r: r.node_busiest / r.seconds)
    name = "web" if web > node else "Redis"
    first = name if max(web, node) > SATURATED else f"the machine, then {name}"
    rate = middle(of, lambda r: r.calls / r.seconds)
    return load, f"{rate:,.0f}", f"{most:,.0f}", f"{web:.0%}", f"{node:.0%}", first


_FLUSHES = (
    "buckets",
    "ids",
    "seconds",
    "least",
    "most",
    "CPU µs an id of the worker",
    "… of Kafka",
    "bytes an id in Kafka",
    "… in Redis",
)


def _flush(buckets: int, of: Sequence[Flushed]) -> tuple[str, ...]:
    seconds = [f.seconds for f in of]
    figures = (
        (lambda f: 1e6 * f.worker_cpu / f.ids, 2),
        (lambda f: 1e6 * f.broker_cpu / f.ids, 2),
        (lambda f: f.broker_bytes / f.ids, 0),
        (lambda f: f.redis_bytes / f.ids, 0),
    )
    return (
        str(buckets),
        f"{of[0].ids:,}",
        *(f"{second:.2f}" for second in (median(seconds), min(seconds), max(seconds))),
        *(f"{middle(of, figure):.{digits}f}" for figure, digits in figures),
    )


def capacity(of: Costs) -> Iterator[str]:
    """The table of what each part needs, at each of the rates."""
    routed = {rate: needs(rate, of, routed=True) for rate in RATES}
    rows: tuple[tuple[str, Callable[[Needs], str]], ...] = (
        ("web processes", lambda n: f"{n.web_processes:,}"),
        ("… cores for them", lambda n: f"{n.web_cores:,}"),
        ("Redis nodes, a core each, beside replicas", lambda n: f"{n.redis_nodes:,}"),
        ("… if each web process got calls of few buckets", lambda n: f"{routed[n.rate].redis_nodes:,}"),
        ("… buckets", lambda n: f"{n.buckets:,}"),
        ("… calls a script", lambda n: f"{n.calls_a_script:.1f}"),
        ("… memory of all nodes together", lambda n: f"{n.redis_bytes / 1e9:,.1f} GB"),
        ("Kafka brokers of four cores", lambda n: f"{n.brokers:,}"),
        ("seconds to publish a minute", lambda n: f"{n.flush_seconds:,.1f}{_late(n)}"),
        ("between callers and web", lambda n: _bits(n.http_bits)),
        ("between web and Redis", lambda n: _bits(n.redis_bits)),
        ("to Kafka, replicas too", lambda n: _bits(n.kafka_bits)),
    )
    needed = [needs(rate, of) for rate in RATES]
    head = ("", *(f"{rate:,} calls/s" for rate in RATES))
    return _table(head, ((name, *(show(of) for of in needed)) for name, show in rows))


def _late(of: Needs) -> str:
    return " (**too long**)" if of.flush_seconds > 60 else ""  # noqa: PLR2004  a minute has so many


def _bits(bits: float) -> str:
    return f"{bits / 1e9:,.2f} Gbit/s"


def _costs(of: Costs) -> Iterator[tuple[str, str]]:
    for name, seconds in (
        ("a call, of a web process", of.web_call),
        ("… of its busiest thread alone", of.web_thread_call),
        ("a script, of a node", of.node_script),
        ("… and a call in it", of.node_call),
        ("an id of a minute, of the worker that publishes it", of.worker_id),
        ("… on the clock, from the first read to the last delete", of.flush_id),
        ("… of a Kafka broker", of.broker_id),
        ("from one batch of a web process to its next", of.batch_seconds),
    ):
        yield name, f"{1e6 * seconds:,.2f} µs"
    for name, count in (
        ("an id of a minute in Redis", of.redis_id_bytes),
        ("… in Kafka", of.kafka_id_bytes),
        ("a call between web and Redis", of.redis_call_bytes),
        ("… between its caller and web", of.http_call_bytes),
    ):
        yield name, f"{count:.0f} bytes"


def cpu(of: Round) -> float:
    """Seconds of processor time for a call, over all of Tally's processes and Redis's."""
    return (of.web_cpu + of.node_cpu) / of.calls


def middle(of: Sequence[T], figure: Callable[[T], float]) -> float:
    """The median of a figure."""
    return median(figure(one) for one in of)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
