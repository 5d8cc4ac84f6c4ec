"""Whether Tally can accept and publish, what is in the way, and since when."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, starmap
from typing import Any

import redis
import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from redis.exceptions import RedisError

from counter.kafka.client import LastError
from counter.monitoring.trial import refusal
from counter.redis.clients import masters
from counter.store.publishing_state import PublishingState
from counter.store.rebucketing import misfit
from counter.telemetry.outages import CURRENT

logger = structlog.get_logger(__name__)

KAFKA_SECONDS = 0.5
LOOK_SECONDS = 0.7
"""What does not answer in this time is down: whoever asks wants to know within a second."""

FRESH_SECONDS = 1.0
"""Many may ask; the servers are asked once in this time."""

FULL = 0.9
"""Of maxmemory; the same as in count.lua."""

Probe = Callable[[], Iterable[str]]
MakeProbe = Callable[[redis.Redis], Probe]
_added: dict[str, MakeProbe] = {}


def add_probe(part: str, make: MakeProbe) -> None:
    """Have `/readyz` look at one thing more; `make` is called once in a process that does."""
    _added[part] = make


def added_probes(client: redis.Redis) -> dict[str, Probe]:
    """Those that other packages have added, by part."""
    return {part: make(client) for part, make in _added.items()}


def redis_problems(client: redis.Redis) -> Iterator[str]:
    """What keeps Redis from taking calls, or from holding them safely; nothing when all is well."""
    try:
        yield from refusals(client)
        yield from dangers(client)
    except RedisError as error:
        yield f"Redis does not answer: {error}"


def refusals(client: redis.Redis) -> Iterator[str]:
    """Why Redis takes no calls, one sentence each; nothing where it does. Raises RedisError."""
    memory = [node.info("memory") for node in masters(client)]
    try:
        if problem := misfit(client) or refusal(client):
            yield problem
    except RedisError as error:
        yield f"Redis takes no calls: {error}"
    if any(each["maxmemory"] and each["used_memory"] > FULL * each["maxmemory"] for each in memory):
        yield f"Redis is full: calls are refused above {FULL:.0%} of its maxmemory"


def dangers(client: redis.Redis) -> Iterator[str]:
    """What Redis may lose counts by, one sentence each; nothing where it keeps them. Raises RedisError."""
    nodes = [(node.info("memory"), node.info("persistence")) for node in masters(client)]
    yield from dict.fromkeys(chain.from_iterable(starmap(_dangers, nodes)))  # of several nodes each once


def _dangers(memory: dict[str, Any], persistence: dict[str, Any]) -> Iterator[str]:
    if memory["maxmemory_policy"] != "noeviction":
        yield (
            f"Redis may evict counts: maxmemory-policy is {memory['maxmemory_policy']}, set it to noeviction"
        )
    if not persistence["aof_enabled"]:
        yield "Redis forgets counts when it stops: set appendonly to yes"
    elif persistence["aof_last_write_status"] != "ok":
        yield "Redis can't write its append-only file: look at its log and its disk"


def sink_problems() -> Iterator[str]:
    """Why this very process refuses calls; nothing where they are taken."""
    yield from (f"calls are refused: {why}" for why in CURRENT.reasons())


def kafka_problems(client: AdminClient, last_error: LastError) -> Iterator[str]:
    """What keeps Kafka from taking records; nothing when a broker answers."""
    try:
        client.list_topics(timeout=KAFKA_SECONDS)
    except KafkaException as error:
        client.poll(0)
        yield f"Kafka does not answer: {last_error.explain(error.args[0])}"


def publishing_problems(client: redis.Redis) -> Iterator[str]:
    """Why publishing has stopped; nothing while it works, or Redis can't tell."""
    with suppress(RedisError):
        if reason := PublishingState(client).halted():
            yield f"publishing has stopped: {reason}"


@dataclass(frozen=True, slots=True)
class Outage:
    """Something that is down."""

    part: str
    problem: str
    since: datetime
    """When it was first seen; it may have begun earlier."""


class Watch:
    """Looks at several parts at once, each by its probe. Thread-safe; a probe that hangs costs one thread."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = probes
        self._running: dict[str, Future[list[str]]] = {}
        self._since: dict[str, datetime] = {}
        self._found: list[Outage] = []
        self._looked = -FRESH_SECONDS
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(len(probes), thread_name_prefix="health")

    def look(self) -> list[Outage]:
        """What is down, as it was a second ago at most; takes less than a second."""
        with self._lock:
            if time.monotonic() - self._looked > FRESH_SECONDS:
                self._found = list(self._look())
                self._looked = time.monotonic()
            return self._found

    def _look(self) -> Iterator[Outage]:
        for part, probe in self._probes.items():
            if part not in self._running:
                self._running[part] = self._threads.submit(_list, probe)
        wait(self._running.values(), LOOK_SECONDS)
        for part in self._probes:
            is_done = self._running[part].done()
            found = self._running.pop(part).result() if is_done else [f"{part} does not answer in time"]
            if not found:
                self._since.pop(part, None)
            for problem in found:
                yield Outage(part, problem, self._since.setdefault(part, datetime.now(UTC)))


def _list(probe: Probe) -> list[str]:
    try:
        return list(probe())
    except Exception as error:  # who asks must hear of the other parts all the same
        logger.exception("a look at the health of a part failed")
        return [f"it can't be looked at: {error}"]
