"""Measure everything, and print one table. QUICK=1 takes some three minutes, and writes no files."""

import os
import sys
from dataclasses import dataclass

from bench.contenders import Contender
from bench.load import Missing
from bench.machine import CACHE, describe
from bench.measures import endurance, growth, idle, latency, throughput
from bench.reporting import report
from bench.reporting.progress import say
from bench.servers import fresh, web


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    rounds: int
    seconds: float
    ids: tuple[int, ...]
    flushed_ids: int
    attacks: int
    """While a minute is flushed, and while the AOF is rewritten"""
    events: int


QUICK = Size(rounds=2, seconds=2, ids=growth.IDS[:3], flushed_ids=100_000, attacks=2, events=500_000)
FULL = Size(rounds=5, seconds=6, ids=growth.IDS, flushed_ids=600_000, attacks=10, events=10_000_000)
LAG_SECONDS, LOAD_SECONDS = 380, 600


def main() -> None:
    """Exit with status 1 and one line where something is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    quick = bool(os.environ.get("QUICK"))
    try:
        results = measure(QUICK if quick else FULL)
        if not quick:
            results.endurance = endurance.measure(LAG_SECONDS, LOAD_SECONDS)
    except Missing as missing:
        sys.exit(str(missing))
    print(report.text(results))
    if not quick:
        report.save(results)


def measure(size: Size) -> report.Results:
    """All that needs no minute of the clock."""
    with fresh(kafka=True) as back:
        results = report.Results(describe(), throughput.measure(back, size.rounds, size.seconds))
        if size is FULL:
            with web(Contender.HOT, back.folder) as hot:
                say("connections")
                results.connections = growth.by_connections(hot.url, size.seconds / 2)
                say("idle connections")
                results.idle = idle.measure(hot, size.seconds)
        back.empty()
        results.attacks = latency.measure(back, size.seconds, size.flushed_ids, size.attacks)
    with fresh(kafka=True) as back:
        say("ids")
        results.flushes = growth.by_ids(back.client, size.ids)
        back.empty()
        say("a backlog of events")
        results.drained = growth.drain(back, size.events)
        back.empty()
        results.attacks |= latency.measure_flush(back, size.seconds, size.flushed_ids, size.attacks)
    return results


main()
