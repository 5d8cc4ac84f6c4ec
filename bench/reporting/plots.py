"""Plots of a run, in docs/bench."""

import math
from collections.abc import Mapping, Sequence

import pygal
from pygal.style import CleanStyle

from bench.machine import DOCS
from bench.measures.growth import Drained, Flushed
from bench.reporting.figures import RATE_SAMPLES, rates

Points = list[tuple[float, float]]
Series = Mapping[str, Points]
"""By the name of what they are of."""

TELLING = 10
"""From here on no axis needs decimals."""

LOOK = {"style": CleanStyle, "js": (), "width": 800, "height": 420, "legend_at_bottom": True}
"""Of every plot."""


def plot_connections(connections: Mapping[int, float]) -> None:
    """Calls by connections."""
    _plot("connections", "Accept calls a second, by connections", {"hot path": [*connections.items()]})


def plot_flushes(flushes: Sequence[Flushed]) -> None:
    """Time and memory by ids, with manners."""
    polite = [of for of in flushes if not of.is_rude]
    seconds: Points = [(of.ids, of.seconds) for of in polite]
    _plot("flush", "Seconds to publish and settle a minute, by its ids", {"flush": seconds})
    memory: Points = [(of.ids, of.redis_bytes * of.ids / 2**20) for of in polite]
    _plot("memory", "Redis's memory in megabytes, by ids", {"key and index": memory})


def plot_web(megabytes: Points) -> None:
    """Memory by time."""
    title = "Megabytes of the web workers, by seconds under full load"
    _plot("web", title, {"workers": megabytes}, log=False)


def plot_drain(drained: Drained) -> None:
    """How a backlog went."""
    samples = drained.samples[:: 2 * RATE_SAMPLES]
    _plot(
        "drain",
        f"{drained.events:,} events: counted a second (left), megabytes (right), by seconds",
        {"events a second": rates(drained)},
        log=False,
        right={
            "consolidator": [(seconds, size) for seconds, _, size, _ in samples],
            "Redis": [(seconds, size) for seconds, _, _, size in samples],
        },
    )


def _hundreds(series: Series) -> int:
    """Where an axis for these ends."""
    return math.ceil(max(y for points in series.values() for _, y in points) / 100) * 100


def _plot(name: str, title: str, series: Series, *, log: bool = True, right: Series | None = None) -> None:
    """`right` is what the axis on the right is for."""
    chart = pygal.XY(
        title=title,
        **LOOK,
        logarithmic=log,
        x_labels=sorted({x for points in series.values() for x, _ in points}) if log else None,
        truncate_label=-1,
        show_legend=bool(right),
        legend_at_bottom_columns=3,
        include_x_axis=bool(right),
        secondary_range=(0, _hundreds(right)) if right else None,
        x_value_formatter=lambda value: f"{value:,.0f}",
        value_formatter=lambda value: f"{value:,.0f}" if value >= TELLING else f"{value:,.3g}",
    )
    for of, points in series.items():
        chart.add(of, points)
    for of, points in (right or {}).items():
        chart.add(of, points, secondary=True)
    chart.render_to_file(str(DOCS / f"{name}.svg"))
