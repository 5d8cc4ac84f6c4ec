"""The contenders in turn, several rounds of all: what each answers in a second."""

from contextlib import ExitStack
from functools import partial
from statistics import median

from bench.load import batched_ids_per_second, calls_per_second, increments_per_second
from bench.progress import say
from bench.servers import Backing, Contender, web

ALWAYS, EVERYSEC = "always", "everysec"
BATCH, INCR = "batch call, 1,000 ids", "redis-benchmark -P 1000 INCR"
HOT_EVERYSEC = "hot path, everysec"
INCREMENTS_A_SECOND = 300_000
"""About: so that redis-benchmark takes as long as the others."""

Rates = dict[str, list[float]]


def measure(backing: Backing, rounds: int, seconds: float) -> Rates:
    """Calls or ids a second, for each contender one figure a round."""
    with ExitStack() as stack:
        urls = {name: stack.enter_context(web(name, backing.folder)).url for name in Contender}
        measures = {name: (partial(calls_per_second, url, seconds), ALWAYS) for name, url in urls.items()} | {
            HOT_EVERYSEC: (partial(calls_per_second, urls[Contender.HOT], seconds), EVERYSEC),
            BATCH: (partial(batched_ids_per_second, urls[Contender.HOT], seconds), ALWAYS),
            INCR: (
                partial(increments_per_second, backing.valkey.port, int(seconds * INCREMENTS_A_SECOND)),
                ALWAYS,
            ),
        }
        rates: Rates = {str(name): [] for name in measures}
        for number in range(rounds):
            for name, (rate, fsync) in measures.items():
                say(f"round {number + 1} of {rounds}: {name}")
                backing.client.flushall()
                backing.client.config_set("appendfsync", fsync)
                rates[str(name)].append(rate())
        backing.client.flushall()
        return rates


def ratio(rates: Rates, name: str, base: str) -> tuple[float, float, float]:
    """Median, least and most of `name` ÷ `base`, by rounds: so it holds where the machine's speed drifts."""
    ratios = [rate / of for rate, of in zip(rates[name], rates[base], strict=True)]
    return median(ratios), min(ratios), max(ratios)
