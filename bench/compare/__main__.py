"""`python -m bench.compare [EVENTS]`: docs/bench/compare.json, and the tables of docs/compare.md."""

import os
import sys

from bench.compare import report
from bench.compare.engines import FLINK_COUNTS, engines
from bench.compare.measure import backlog, killed, live
from bench.compare.stream import Stream, fill_a_minute
from bench.load import Missing
from bench.machine import CACHE, describe
from bench.reporting.progress import say
from bench.servers import Backing, fresh

EVENTS = 1_000_000
IDS = (1_000, 100_000, 1_000_000)
KILLED_IDS = 100_000


def main(events: int) -> None:
    """Half an hour with a million events. Exits with status 1 and one line where something is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    results = report.Results(describe(), events)
    try:
        for ids in IDS:
            with fresh(kafka=True) as back:
                _backlogs(back, results, ids)
            report.save(results)
        with fresh(kafka=True) as back:
            _kill_and_live(back, results)
    except Missing as missing:
        sys.exit(str(missing))
    report.save(results)
    print(report.text(results))


def _backlogs(back: Backing, results: report.Results, ids: int) -> None:
    all, stream = engines(back), Stream(os.environ["KAFKA_BOOTSTRAP_SERVERS"], FLINK_COUNTS)
    say(f"{results.events:,} events, {min(ids, results.events):,} ids")
    minute = fill_a_minute(stream, results.events, ids)
    expected, found = stream.recount(), results.backlogs.setdefault(ids, {})
    for engine in all:
        found[engine.name] = backlog(engine, minute, expected[engine.topic])
        say(f"{engine.name}: {found[engine.name]}")


def _kill_and_live(back: Backing, results: report.Results) -> None:
    all, stream = engines(back), Stream(os.environ["KAFKA_BOOTSTRAP_SERVERS"], FLINK_COUNTS)
    results.engines = {engine.name: (engine.lines, engine.closes) for engine in all}
    minute = fill_a_minute(stream, results.events, KILLED_IDS)
    expected = stream.recount()
    for engine in all:
        seconds = results.backlogs[KILLED_IDS][engine.name].seconds
        results.killed[engine.name] = killed(engine, minute, expected[engine.topic], seconds)
        say(f"{engine.name}: {results.killed[engine.name]}")
    say("minutes of the clock")
    results.live = live(all, stream)


main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
