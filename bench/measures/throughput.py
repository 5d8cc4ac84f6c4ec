"""The contenders in turn, several rounds of all: how many calls a second, and processor time for each."""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from bench.contenders import Contender, present
from bench.load import (
    CONNECTIONS,
    MANY_CONNECTIONS,
    batched_ids_per_second,
    calls_per_second,
    increments_per_second,
)
from bench.reporting.progress import say
from bench.servers import Backing, Web, web
from bench.usage import Meter
from counter.kafka.client import REQUESTS

ALWAYS, EVERYSEC = "always", "everysec"
BATCH, INCR = "batch call, 1,000 ids", "redis-benchmark -P 1000 INCR"
FROM_MANY = f", {MANY_CONNECTIONS:,} connections"
HOT_EVERYSEC = "hot path, everysec"
EVENTS_FROM_MEMORY = "hot path, events, acknowledged from memory"
"""As three brokers do, each of which has a copy."""
EACH, NONE = 1, 2**63 - 1
"""So many events until Kafka has its file on disk."""
WARM_SECONDS = 15.0
"""Until Java has compiled what events need."""
INCREMENTS_A_SECOND = 300_000
"""About: so that redis-benchmark takes as long as the others."""


@dataclass(frozen=True)
class Run:
    """Some seconds of calls, or of ids where one call brings many."""

    rate: float
    """A second"""
    web: float
    """Microseconds of processor time for each, of all processes that answer; of the load generator none"""
    redis: float
    """The same of Valkey"""


Runs = dict[str, list[Run]]
"""For each contender one a round."""


@dataclass(frozen=True)
class Load:
    """What calls a contender."""

    rate: Callable[[], float]
    calls: Callable[[float], float]
    """How many there were, at that rate"""
    web: int | None = None
    """The process that answers, with its children"""
    fsync: str = ALWAYS
    flush_messages: int = EACH

    def run(self, valkey: int) -> Run:
        """Once."""
        web, redis = Meter([self.web] if self.web else []), Meter([valkey])
        rate = self.rate()
        calls = self.calls(rate) / 1e6
        return Run(rate, web.read().cpu / calls, redis.read().cpu / calls)


def measure(backing: Backing, rounds: int, seconds: float) -> Runs:
    """All contenders that there are here."""
    with ExitStack() as stack:
        webs = {name: stack.enter_context(web(name, backing.folder)) for name in present()}
        with suppress(RuntimeError):  # a Kafka that has just begun is too late for some of its first calls
            calls_per_second(webs[Contender.EVENTS].url, WARM_SECONDS)
        loads = _loads(webs, backing, seconds)
        runs: Runs = {name: [] for name in loads}
        for number in range(rounds):
            for name, load in loads.items():
                say(f"round {number + 1} of {rounds}: {name}")
                backing.client.flushall()
                backing.client.config_set("appendfsync", load.fsync)
                _flush_events(load.flush_messages)
                runs[name].append(load.run(backing.pids[0]))
        backing.client.flushall()
        return runs


def _flush_events(messages: int) -> None:
    value = ConfigEntry("flush.messages", str(messages), incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ConfigResource.Type.TOPIC, REQUESTS, incremental_configs=[value])
    admin = AdminClient({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]})
    admin.incremental_alter_configs([topic])[topic].result()


def _loads(webs: dict[Contender, Web], backing: Backing, seconds: float) -> dict[str, Load]:
    def calls(rate: float) -> float:
        return rate * seconds

    loads = {
        str(name): Load(_rate(name, of.url, seconds, CONNECTIONS), calls, of.pid) for name, of in webs.items()
    }
    loads |= {
        f"{name}{FROM_MANY}": replace(loads[name], rate=_rate(name, of.url, seconds, MANY_CONNECTIONS))
        for name, of in webs.items()
        if name in (Contender.HOT, Contender.COUNTERS)
    }
    hot, increments = webs[Contender.HOT], int(seconds * INCREMENTS_A_SECOND)
    loads[HOT_EVERYSEC] = replace(loads[Contender.HOT], fsync=EVERYSEC)
    loads[EVENTS_FROM_MEMORY] = replace(loads[Contender.EVENTS], flush_messages=NONE)
    loads[BATCH] = Load(partial(batched_ids_per_second, hot.url, seconds), calls, hot.pid)
    loads[INCR] = Load(partial(increments_per_second, backing.valkey.port, increments), lambda _: increments)
    return loads


def _rate(name: Contender, url: str, seconds: float, connections: int) -> Callable[[], float]:
    script = "counters.lua" if name is Contender.COUNTERS else "ids.lua"
    return partial(calls_per_second, url, seconds, connections, script)


def ratio(runs: Runs, name: str, base: str, of: Callable[[Run], float]) -> tuple[float, float, float]:
    """Median, least and most of `name` ÷ `base`, by rounds: so it holds where the machine's speed drifts."""
    ratios = [of(run) / of(other) for run, other in zip(runs[name], runs[base], strict=True)]
    return median(ratios), min(ratios), max(ratios)
