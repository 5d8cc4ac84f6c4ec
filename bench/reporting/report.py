"""What was measured, as one table and as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from bench.machine import DOCS
from bench.measures import latency
from bench.measures.endurance import Endurance
from bench.measures.growth import Drained, Flushed
from bench.measures.idle import Idle
from bench.measures.latency import Attacks
from bench.measures.throughput import Runs
from bench.reporting import figures, plots
from bench.reporting.figures import Figure
from bench.reporting.markdown import table


@dataclass
class Results:
    """All of one run; what it skipped is None."""

    machine: dict[str, str]
    runs: Runs
    attacks: Attacks = field(default_factory=dict)
    flushes: list[Flushed] = field(default_factory=list)
    drained: Drained | None = None
    connections: dict[int, float] = field(default_factory=dict)
    idle: Idle | None = None
    endurance: Endurance | None = None


def text(results: Results) -> str:
    """Markdown: the contenders, then each figure beside what it should reach."""
    tables = [
        table(("contender", "a second", "least", "most", "web, µs", "Redis, µs"), _contenders(results.runs)),
        table(("figure", "measured", "spread", "reach"), _figures(results)),
        table(
            ("calls at a constant rate", "attacks", "a second", "`ok` a second", "p50 ms", "p99 ms", "worst"),
            _attacks(results.attacks),
        ),
        table(("on", ""), results.machine.items()),
    ]
    note = (
        "µs: of processor time, for a call, or for an id of a batch. Of several attacks the median is shown."
    )
    return "\n\n".join([*tables, note]) + "\n"


def save(results: Results) -> None:
    """Into docs/bench, with plots."""
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "results.json").write_text(json.dumps(asdict(results), indent=1) + "\n")
    (DOCS / "results.md").write_text("# One run of `make bench`\n\n" + text(results))
    plots.plot_connections(results.connections)
    plots.plot_flushes(results.flushes)
    if results.drained:
        plots.plot_drain(results.drained)
    if results.endurance:
        plots.plot_web(results.endurance.megabytes)


def _contenders(runs: Runs) -> Iterator[Sequence[str]]:
    for name, of in runs.items():
        rates = [run.rate for run in of]
        cpu = (median(run.web for run in of), median(run.redis for run in of))
        spread = (median(rates), min(rates), max(rates))
        yield name, *(f"{rate:,.0f}" for rate in spread), *(f"{used:.1f}" for used in cpu)


def _figures(results: Results) -> Iterator[Figure]:
    yield from figures.of_runs(results.runs)
    yield from figures.of_attacks(results.attacks)
    yield from figures.of_flushes(results.flushes)
    if results.idle:
        yield from figures.of_idle(results.idle)
    if results.drained:
        yield from figures.of_drain(results.drained)
    if results.endurance:
        yield from figures.of_endurance(results.endurance)


def _attacks(attacks: Attacks) -> Iterator[Sequence[str]]:
    for name, of in attacks.items():
        attack = latency.middle(of)
        times = f"{attack.p50:.1f}", f"{attack.p99:.1f}", f"{attack.worst:.0f}"
        yield name, str(len(of)), f"{attack.rate:,.0f}", f"{attack.answered:,.0f}", *times
