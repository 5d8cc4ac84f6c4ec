"""What was measured, on disk: the tables, the figures as JSON, and plots."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from math import ceil, floor, log10

import pygal

from bench.machine import DOCS
from bench.reporting.plots import LOOK
from bench.scaling.costs import costs, cpu, middle
from bench.scaling.measure import BASE, FOUR, FOUR_BUCKETS, MANY_BUCKETS, ONE, ONE_NODE, THREE_NODES, Results
from bench.scaling.shapes import Shape
from bench.scaling.tables import text

AXES = {
    "buckets": ({1: BASE, 4: FOUR_BUCKETS, 16: MANY_BUCKETS}, "two web processes, one Valkey"),
    "nodes": ({1: ONE_NODE, 3: THREE_NODES}, "two web processes, 16 buckets"),
    "webs": ({1: ONE, 2: BASE, 4: FOUR}, "one Valkey, one bucket"),
}
TITLES = {"buckets": "buckets", "nodes": "nodes of a cluster", "webs": "web processes"}


def save(results: Results) -> None:
    """Into docs/bench."""
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "scaling.md").write_text(text(results))
    figures = {
        "machine": results.machine,
        "rounds": {str(shape): [asdict(one) for one in of] for shape, of in results.rounds.items()},
        "crowds": {str(shape): [asdict(one) for one in of] for shape, of in results.crowds.items()},
        "batches": {str(shape): asdict(of) for shape, of in results.batches.items()},
        "flushes": {buckets: [asdict(one) for one in of] for buckets, of in results.flushes.items()},
        "costs": asdict(costs(results)),
    }
    (DOCS / "scaling.json").write_text(json.dumps(figures, indent=1) + "\n")
    for name in AXES:
        _plot(name, results)


def _plot(name: str, results: Results) -> None:
    shapes, fixed = AXES[name]
    chart = pygal.Line(
        title=f"Calls a second, and CPU a call, by {TITLES[name]} ({fixed})",
        **LOOK,
        range=(0, _top(_rate(results, shape) for shape in shapes.values())),
        secondary_range=(0, _top(_microseconds(results, shape) for shape in shapes.values())),
        legend_at_bottom_columns=2,
        value_formatter=lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.1f}",  # noqa: PLR2004
    )
    chart.x_labels = [str(count) for count in shapes]
    chart.add("calls/s", [_rate(results, shape) for shape in shapes.values()])
    chart.add("CPU µs a call", [_microseconds(results, shape) for shape in shapes.values()], secondary=True)
    chart.render_to_file(str(DOCS / f"scaling-{name}.svg"))


def _top(values: Iterable[float]) -> float:
    """Of a scale with ten steps, round ones."""
    most = max(values)
    step: float = 10 ** floor(log10(most))
    return step * ceil(1.1 * most / step)


def _rate(results: Results, shape: Shape) -> float:
    return round(middle(results.rounds[shape], lambda r: r.calls / r.seconds))


def _microseconds(results: Results, shape: Shape) -> float:
    return round(middle(results.rounds[shape], lambda r: 1e6 * cpu(r)), 2)
