"""SyncWriter: counts calls over a blocking client, for Django's side of the house."""

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import redis
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from counter.counters import DEFAULT, counters
from counter.ids import Id
from counter.redis.clients import master_of, refresh
from counter.sinks.outcome import Accepted, Done, Parts, Unavailable
from counter.sinks.places import Places
from counter.sinks.redis.delivery import Command, Delivery, Need
from counter.sinks.redis.opening import open_counters
from counter.sinks.redis.write import PAUSE_SECONDS, SCRIPT, Writer
from counter.store import keys
from counter.telemetry import tracing

logger = structlog.get_logger(__name__)


class SyncWriter:
    """Thread-safe: calls at the same time have writers of their own. `client` must not repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._places = Places(settings.REDIS_BUCKETS)
        self._buckets = keys.places(settings.REDIS_BUCKETS, counters())
        self._idle: list[list[Writer]] = []

    def record(self, ids: Sequence[Id], counter: str = DEFAULT) -> Accepted:
        """Count calls. Raises Unavailable where any could not be: as far as is known, none of that bucket."""
        outcomes: list[Accepted | Unavailable] = []
        for parts in self._places.rounds(counter, list(ids)):
            self.commit(parts, lambda _, outcome: outcomes.append(outcome))
        accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        for outcome in outcomes:
            if isinstance(outcome, Unavailable):
                raise outcome
        return Accepted(max(each.minute for each in accepted), sum(each.new or 0 for each in accepted))

    def commit(self, parts: Parts, done: Done) -> None:
        """Count the parts, and say of each what became of it as soon as that is known."""
        writers = self._idle_writers()
        try:
            with tracing.current.make("accept.lua", {"tally.calls": sum(map(len, parts.values()))}):
                delivery = Delivery(writers, parts, done)
                try:
                    self._deliver(delivery)
                except Exception:
                    logger.exception("calls could not be delivered")
                    delivery.fail()
        finally:
            self._idle.append(writers)

    def _idle_writers(self) -> list[Writer]:
        """One for each place."""
        try:
            return self._idle.pop()
        except IndexError:
            return [Writer(keeps_replies=True, bucket=bucket) for bucket in self._buckets]

    def _deliver(self, delivery: Delivery) -> None:
        while delivery.left:
            delivery.last_error = None
            self._send(delivery)
            if delivery.unopened:
                open_counters(delivery)
            if delivery.is_overdue:
                delivery.give_up()
            elif delivery.last_error:
                time.sleep(PAUSE_SECONDS)
                with suppress(RedisError):
                    refresh(self._redis)

    def _send(self, delivery: Delivery) -> None:
        """Once, to one node after the other."""
        routes: dict[redis.Redis, list[int]] = defaultdict(list)
        for number, batch in delivery.left.items():
            try:
                routes[master_of(self._redis, batch.writer.bucket.sealed)].append(number)
            except RedisError as error:
                delivery.last_error = error
        for node, numbers in routes.items():
            need = delivery.read(numbers, _exchange(node, delivery.commands(numbers)))
            if need is Need.SCRIPT:
                try:
                    node.script_load(SCRIPT.text)
                except RedisError as error:
                    delivery.last_error = error
            elif need is Need.CONNECTION:
                node.connection_pool.disconnect(inuse_connections=False)


def _exchange(node: redis.Redis, commands: list[Command]) -> list[Any]:
    """A reply to each command, or the exception instead."""
    with node.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        try:
            return pipe.execute(raise_on_error=False)
        except RedisError as error:  # the connection is lost
            return [error] * len(commands)
