"""`python -m bench.drain [EVENTS]`: a backlog of ten million events, or so many, and docs/bench/drain.svg."""

import sys

from bench.machine import describe
from bench.measures import growth
from bench.reporting import figures, plots
from bench.servers import fresh

EVENTS = 10_000_000


def main(events: int) -> None:
    """In servers of its own, of which nothing is left."""
    with fresh(kafka=True) as back:
        drained = growth.drain(back, events)
    for what, measured, spread, _ in figures.of_drain(drained):
        print(f"{what}: {measured} {spread}")
    print(describe())
    plots.plot_drain(drained)


main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
