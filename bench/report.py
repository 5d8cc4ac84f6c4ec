"""What was measured, as one table, as JSON, and as plots."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

import pygal
from pygal.style import CleanStyle

from bench import latency, throughput
from bench.endurance import Endurance
from bench.growth import Drained, Flushed
from bench.load import Attack
from bench.servers import Contender
from bench.throughput import Rates, ratio

Series = dict[str, list[tuple[float, float]]]
"""Points, by the name of what they are of."""

TELLING = 10
"""From here on no axis needs decimals."""

LOOK = {"style": CleanStyle, "js": (), "width": 800, "height": 420, "legend_at_bottom": True}
"""Of every plot."""

RATE_SAMPLES = 4
"""A rate is one of so many samples."""

DOCS = Path(__file__).resolve().parent.parent / "docs" / "bench"


@dataclass
class Results:
    """All of one run; what it skipped is None."""

    machine: dict[str, str]
    rates: Rates
    attacks: dict[str, Attack] = field(default_factory=dict)
    flushes: list[Flushed] = field(default_factory=list)
    drained: Drained | None = None
    connections: dict[int, float] = field(default_factory=dict)
    endurance: Endurance | None = None


def table(results: Results) -> str:
    """Markdown: the contenders, then each figure beside what it should reach."""
    lines = ["| contender | a second | least | most |", "| --- | ---: | ---: | ---: |"]
    for name, of in results.rates.items():
        lines.append(f"| {name} | {median(of):,.0f} | {min(of):,.0f} | {max(of):,.0f} |")
    lines += ["", "| figure | measured | spread | reach |", "| --- | ---: | ---: | ---: |"]
    lines += (f"| {' | '.join(row)} |" for row in figures(results))
    lines += ["", "| calls at a constant rate | a second | `ok` a second | p50 ms | p99 ms | worst ms |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name, attack in results.attacks.items():
        times = f"{attack.p50:.1f} | {attack.p99:.1f} | {attack.worst:.0f}"
        lines.append(f"| {name} | {attack.rate:,.0f} | {attack.answered:,.0f} | {times} |")
    lines += [
        "",
        "| on | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in results.machine.items()),
    ]
    return "\n".join(lines) + "\n"


def figures(results: Results) -> Iterator[tuple[str, str, str, str]]:
    """(what, measured, spread, what it should reach)."""
    hot = str(Contender.HOT)
    for name, base, reach in (
        (hot, str(Contender.HELLO), 0.80),
        (str(Contender.HOT_ALONE), str(Contender.HELLO_ALONE), 0.80),
        (hot, str(Contender.NGINX), 0.50),
        (hot, throughput.HOT_EVERYSEC, 0.85),
        (str(Contender.EVENTS), hot, 0.80),
        (throughput.BATCH, throughput.INCR, 0.45),
        (hot, str(Contender.DJANGO), 1.0),
        (hot, str(Contender.NAIVE), 1.0),
    ):
        middle, least, most = ratio(results.rates, name, base)
        yield f"{name} ÷ {base}", f"{middle:.2f}", f"{least:.2f} to {most:.2f}", f"{reach:.2f}"
    if results.attacks:
        hello, hot = latency.HELLO, latency.HOT
        yield _p99(results, hot, hello, "below 3")
        for trouble in (latency.FLUSH, latency.REWRITE):
            troubled = latency.while_(trouble, hot)
            yield _p99(results, troubled, hello, "below 3")
            yield _p99(results, troubled, latency.while_(trouble, hello), "")
    for of in results.flushes:
        yield (
            f"{of.ids:,} ids published and settled",
            f"{of.seconds:.2f} s",
            "",
            "15 s" if of.ids == 10**6 else "",
        )
        yield "… memory of the worker", f"{of.worker_megabytes:.0f} MB", "", "flat"
        yield "… Redis's memory for an id", f"{of.redis_bytes:.0f} bytes", "", "90" if of.ids >= 10**5 else ""
        yield "… longest command of Redis", f"{of.longest_milliseconds:.1f} ms", "", "5 ms"
    if results.drained:
        yield from of_drain(results.drained)
    if results.endurance:
        for mode, lags, wanted in (
            ("", results.endurance.lags, "0.5 s, worst 1.5 s"),
            (", event mode", results.endurance.event_lags, "2 s"),
        ):
            name, worst = f"lag of an ordinary minute{mode}", f"worst {max(lags):.2f} s"
            yield name, f"{median(lags):.2f} s", worst, wanted
        memory = [megabytes for _, megabytes in results.endurance.megabytes]
        third = len(memory) // 3
        change = median(memory[-third:]) - median(memory[third : 2 * third])
        yield (
            "memory of the web workers, last third less second",
            f"{change:+.1f} MB",
            f"of {memory[-1]:.0f} MB",
            "0",
        )


def of_drain(drained: Drained) -> Iterator[tuple[str, str, str, str]]:
    """The figures of a backlog."""
    rates = [rate for _, rate in _rates(drained)]
    rate, spread = drained.events / drained.seconds, f"{min(rates):,.0f} to {max(rates):,.0f}"
    what = f"a backlog of {drained.events:,} events, one consolidator"
    yield what, f"{rate:,.0f} a second", spread, "150,000"
    yield "… its memory", f"{drained.megabytes:.0f} MB", "", "flat"
    yield "… Redis's memory", f"{max(sample[3] for sample in drained.samples):.0f} MB", "", "flat"


def _rates(drained: Drained) -> list[tuple[float, float]]:
    """(seconds, events a second since the time before), in steps that are long enough to tell."""
    chosen = drained.samples[RATE_SAMPLES - 1 :: RATE_SAMPLES]
    steps = [(0.0, 0), *((seconds, count) for seconds, count, *_ in chosen)]
    return [(at, (count - before) / (at - since)) for (since, before), (at, count) in pairwise(steps)]


def _p99(results: Results, name: str, base: str, reach: str) -> tuple[str, str, str, str]:
    quotient = results.attacks[name].p99 / results.attacks[base].p99
    return f"p99 of {name} ÷ {base}'s", f"{quotient:.1f}", "", reach


def save(results: Results) -> None:
    """Into docs/bench."""
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "results.json").write_text(json.dumps(asdict(results), indent=1) + "\n")
    (DOCS / "results.md").write_text("# One run of `make bench`\n\n" + table(results))
    _plot(
        "connections",
        "Accept calls a second, by connections",
        {"hot path": [(count, rate) for count, rate in results.connections.items()]},
    )
    _plot(
        "flush",
        "Seconds to publish and settle a minute, by its ids",
        {"flush": [(f.ids, f.seconds) for f in results.flushes]},
    )
    _plot(
        "memory",
        "Redis's memory in megabytes, by ids",
        {"key and index": [(f.ids, f.redis_bytes * f.ids / 2**20) for f in results.flushes]},
    )
    if results.drained:
        plot_drain(results.drained)
    if results.endurance:
        _plot(
            "web",
            "Megabytes of the web workers, by seconds under full load",
            {"workers": results.endurance.megabytes},
            log=False,
        )


def plot_drain(drained: Drained) -> None:
    """Into docs/bench as well."""
    samples = drained.samples[:: 2 * RATE_SAMPLES]
    _plot(
        "drain",
        f"{drained.events:,} events: counted a second (left), megabytes (right), by seconds",
        {"events a second": _rates(drained)},
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
