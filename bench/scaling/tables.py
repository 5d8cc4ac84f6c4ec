"""What was measured and what follows from it: one page of tables."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from bench.load import CONNECTIONS
from bench.reporting.markdown import table
from bench.scaling.capacity import DISTINCT, MINUTES_KEPT, UTILISATION
from bench.scaling.costs import costs, cpu, middle
from bench.scaling.forecast import capacity, cost_rows
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
            table(_SHAPES, shapes),
            "",
            table(("figure", "measured", "spread", "reach"), _figures(results)),
            "",
            "## What is full first",
            "",
            table(_FULL, _saturation(results)),
            "",
            "## A minute on its way to Kafka",
            "",
            table(_FLUSHES, (_flush(buckets, of) for buckets, of in results.flushes.items())),
            "",
            "## What so many calls a second need",
            "",
            f"With every core {UTILISATION:.0%} busy, {DISTINCT:.0%} of a minute's calls with an id of their"
            f" own, {MINUTES_KEPT} minutes kept, three replicas of each record.",
            "",
            capacity(costs(results)),
            "",
            "From these costs:",
            "",
            table(("cost", "measured"), cost_rows(costs(results))),
            "",
            table(("on", ""), results.machine.items()),
            "",
        ]
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
