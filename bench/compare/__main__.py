"""`python -m bench.compare [EVENTS]`: the table of docs/compare.md, and docs/bench/compare.json."""

import json
import os
import sys
from dataclasses import asdict

from bench.compare import report
from bench.compare.engines import FLINK_COUNTS, engines
from bench.compare.measure import Backlog, Killed, Live, backlog, killed, live
from bench.compare.stream import Stream, fill_a_minute
from bench.load import Missing
from bench.machine import CACHE, describe
from bench.plots import DOCS
from bench.progress import say
from bench.servers import Backing, fresh

EVENTS = 1_000_000
IDS = (1_000, 100_000, 1_000_000)
KILLED_IDS = 100_000


def main(events: int) -> None:
    """Half an hour with a million events. Exits with status 1 and one line where something is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        results = report.Results(describe(), events)
        for ids in IDS:
            with fresh(kafka=True) as back:
                results.backlogs[ids] = _backlogs(back, events, ids)
        with fresh(kafka=True) as back:
            seconds = {name: one.seconds for name, one in results.backlogs[KILLED_IDS].items()}
            results.killed, results.live = _odd(back, events, seconds, results.engines)
    except Missing as missing:
        sys.exit(str(missing))
    (DOCS / "compare.json").write_text(json.dumps(asdict(results), indent=1) + "\n")
    print(report.text(results))


def _backlogs(back: Backing, events: int, ids: int) -> dict[str, Backlog]:
    stream = Stream(os.environ["KAFKA_BOOTSTRAP_SERVERS"], FLINK_COUNTS)
    all = engines(back)
    say(f"{events:,} events, {min(ids, events):,} ids")
    minute = fill_a_minute(stream, events, ids)
    found = {}
    for engine in all:
        found[engine.name] = backlog(engine, minute, stream.recount(engine.topic))
        say(f"{engine.name}: {found[engine.name]}")
    return found


def _odd(
    back: Backing, events: int, seconds: dict[str, float], known: dict[str, tuple[int, bool]]
) -> tuple[dict[str, Killed], dict[str, Live]]:
    stream = Stream(os.environ["KAFKA_BOOTSTRAP_SERVERS"], FLINK_COUNTS)
    all = engines(back)
    known.update({engine.name: (engine.lines, engine.closes) for engine in all})
    minute = fill_a_minute(stream, events, KILLED_IDS)
    found = {}
    for engine in all:
        expected = stream.recount(engine.topic)
        found[engine.name] = killed(engine, minute, expected, seconds[engine.name])
        say(f"{engine.name}: {found[engine.name]}")
    return found, live(all, stream)


main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
