"""The figures of a run, each beside what it should reach."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from bench.contenders import Contender
from bench.measures import latency, throughput
from bench.measures.endurance import Endurance
from bench.measures.growth import Drained, Flushed
from bench.measures.idle import Idle
from bench.measures.latency import Attacks
from bench.measures.throughput import Runs, ratio

Figure = tuple[str, str, str, str]
"""What, measured, its spread, and what it should reach."""

HOT, HELLO, COUNTERS = map(str, (Contender.HOT, Contender.HELLO, Contender.COUNTERS))
MANY_IDS, MOST_IDS = 10**5, 10**6

RATE_SAMPLES = 4
"""A rate is one of so many samples."""


def of_runs(runs: Runs) -> Iterator[Figure]:
    """Of the contenders that there were."""
    for name, base, reach in (
        (HOT, HELLO, "0.90"),
        (str(Contender.HOT_ALONE), str(Contender.HELLO_ALONE), "0.90"),
        (HOT, str(Contender.UVICORN), "1.00"),
        (HOT, str(Contender.NGINX), "0.52"),
        (HOT, str(Contender.GO), "1.50"),
        (HOT, throughput.HOT_EVERYSEC, "0.85"),
        (str(Contender.EVENTS), HOT, "0.80"),
        (throughput.EVENTS_FROM_MEMORY, HOT, "0.80"),
        (COUNTERS, HOT, "0.70"),
        (f"{COUNTERS}{throughput.FROM_MANY}", f"{HOT}{throughput.FROM_MANY}", "0.85"),
        (throughput.BATCH, throughput.INCR, "0.55"),
        (HOT, str(Contender.DJANGO), "1.00"),
        (HOT, str(Contender.NAIVE), "1.00"),
    ):
        if base in runs:
            yield f"{name} ÷ {base}", *_spread(ratio(runs, name, base, lambda run: run.rate)), reach
    web = _spread(ratio(runs, HOT, HELLO, lambda run: run.web))
    yield f"web CPU for a call, {HOT} ÷ {HELLO}", *web, "at most 0.85"


def _spread(of: tuple[float, float, float]) -> tuple[str, str]:
    middle, least, most = of
    return f"{middle:.2f}", f"{least:.2f} to {most:.2f}"


def of_attacks(attacks: Attacks) -> Iterator[Figure]:
    """p99 in good times and bad."""
    yield _p99(attacks, HOT, HELLO, "below 2")
    for trouble in (latency.FLUSH, latency.REWRITE):
        troubled = latency.while_(trouble, Contender.HOT)
        yield _p99(attacks, troubled, HELLO, "below 4")
        yield _p99(attacks, troubled, latency.while_(trouble, Contender.HELLO), "")


def _p99(attacks: Attacks, name: str, base: str, reach: str) -> Figure:
    """The median's ÷ the median's; the spread is that of all attacks."""
    of_base = latency.middle(attacks[base]).p99
    quotients = [attack.p99 / of_base for attack in attacks[name]]
    spread = f"{min(quotients):.1f} to {max(quotients):.1f}" if len(quotients) > 1 else ""
    measured = latency.middle(attacks[name]).p99 / of_base
    return f"p99 of {name} ÷ {base}'s", f"{measured:.1f}", spread, reach


def of_flushes(flushes: Sequence[Flushed]) -> Iterator[Figure]:
    """How a minute's cost grows with its ids."""
    for of in flushes:
        manners, most = ("without manners", "5 s") if of.is_rude else ("with manners", "10 s")
        if of.are_texts:
            most = f"1.3 times {next(each.seconds for each in flushes if each.ids == of.ids):.2f} s"
        kind = "texts of 36 characters" if of.are_texts else "ids"
        what = f"{of.ids:,} {kind} published and settled, {manners}"
        yield what, f"{of.seconds:.2f} s", "", most if of.ids == MOST_IDS else ""
        yield "… memory of the worker", f"{of.worker_megabytes:.0f} MB", "", "flat"
        memory, wanted = (
            f"{of.redis_bytes:.0f} bytes",
            "90" if of.ids >= MANY_IDS and not of.are_texts else "",
        )
        yield "… Redis's memory for an id", memory, "", wanted
        yield "… longest command of Redis", f"{of.longest_milliseconds:.1f} ms", "", "5 ms"


def of_idle(idle: Idle) -> Iterator[Figure]:
    """Of connections that say nothing."""
    yield "idle connections held at full load", f"{idle.held:,}", f"of {idle.connections:,}", "10,000"
    yield "… web memory for each", f"{idle.kilobytes:.1f} kB", "", ""
    yield "… calls a second beside them ÷ without them", f"{idle.rate / idle.rate_without:.2f}", "", ""


def of_drain(drained: Drained) -> Iterator[Figure]:
    """Of a backlog of events."""
    steps = [rate for _, rate in rates(drained)]
    rate, spread = drained.events / drained.seconds, f"{min(steps):,.0f} to {max(steps):,.0f}"
    what = f"a backlog of {drained.events:,} events, one consolidator"
    yield what, f"{rate:,.0f} a second", spread, "150,000"
    yield "… its memory", f"{drained.megabytes:.0f} MB", "", "flat"
    yield "… Redis's memory", f"{max(sample[3] for sample in drained.samples):.0f} MB", "", "flat"


def rates(drained: Drained) -> list[tuple[float, float]]:
    """(seconds, events a second since the time before), in steps that are long enough to tell."""
    chosen = drained.samples[RATE_SAMPLES - 1 :: RATE_SAMPLES]
    steps = [(0.0, 0), *((seconds, count) for seconds, count, *_ in chosen)]
    return [(at, (count - before) / (at - since)) for (since, before), (at, count) in pairwise(steps)]


def of_endurance(endurance: Endurance) -> Iterator[Figure]:
    """Of minutes of the clock."""
    for mode, lags, wanted in (
        ("", endurance.lags, "0.5 s, worst 1.5 s"),
        (", event mode", endurance.event_lags, "2 s"),
    ):
        name, worst = f"lag of an ordinary minute{mode}", f"worst {max(lags):.2f} s"
        yield name, f"{median(lags):.2f} s", worst, wanted
    yield "lag of a minute of full load", f"{max(endurance.loaded_lags):.1f} s", "the worst", "30 s"
    memory = [megabytes for _, megabytes in endurance.megabytes]
    third = len(memory) // 3
    change = median(memory[-third:]) - median(memory[third : 2 * third])
    name, all_of_it = "memory of the web workers, last third less second", f"of {memory[-1]:.0f} MB"
    yield name, f"{change:+.1f} MB", all_of_it, "0"
