"""Delivery: a group of calls on its way into Redis, a part for each bucket that has any of them.

Both lanes deliver, one over blocking connections and one over asyncio's; what to send, and what the replies
mean, is decided here. The parts are batches of writers of their own: each counts once, whatever becomes of
the others, and goes again under its number until it is answered.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from django.conf import settings
from redis.exceptions import NoScriptError, RedisError

from counter.sinks.outcome import DEADLINE_SECONDS, Accepted, Away, Done, Parts, Unavailable
from counter.sinks.redis.write import HOLD_MILLISECONDS, REPEATABLE, SCRIPT, Writer
from counter.store.keys import spread
from counter.store.limits import MAX_IDS
from counter.store.replication import unreplicated
from counter.telemetry import metrics, rejections

Command = tuple[str | int, ...]


class Delivery:
    """Send `commands` to the node of those buckets and `read` what it replies, until nothing is `left`."""

    def __init__(self, writers: Sequence[Writer], parts: Parts, done: Done) -> None:
        self.left = {number: writers[number].batch(ids) for number, ids in parts.items()}
        self.last_error: Exception | None = None
        """The last reason to send again what is left, after a pause."""
        self._done = done
        self._recorded = 0
        self._begin = time.perf_counter()

    @property
    def is_overdue(self) -> bool:
        """Whether the callers have waited long enough."""
        return time.perf_counter() - self._begin > DEADLINE_SECONDS

    def commands(self, numbers: Sequence[int], *, each_asks: bool = True) -> list[Command]:
        """For one connection, all at once; `each_asks` how much memory is left, or the first one only."""
        commands: list[Command] = []
        for number in numbers:
            keys, args = self.left[number].keys, self.left[number].args
            asks_not = ("-",) if commands and not each_asks else ()
            commands.append(("EVALSHA", SCRIPT.sha, len(keys), *keys, *args, *asks_not))
        if replicas := settings.ACCEPT_REPLICAS:
            # A replica tells the state of its file when it is asked: first let it read the batch.
            commands.append(("WAIT", replicas, HOLD_MILLISECONDS))
            commands.append(("WAITAOF", 1, replicas, HOLD_MILLISECONDS))
        return commands

    def read(self, numbers: Sequence[int], replies: Sequence[Any]) -> bool:
        """A reply or an exception for each command; whether the node must be given the script first."""
        scripts, held = replies[: len(numbers)], replies[len(numbers) :]
        missing = unreplicated(held[-1]) if held else None
        for number, reply in zip(numbers, scripts, strict=True):
            self._read(number, reply if isinstance(reply, Exception) else missing or reply)
        if self._recorded:
            metrics.observe(self._recorded, time.perf_counter() - self._begin)
            self._recorded = 0
        return any(isinstance(reply, NoScriptError) for reply in scripts)

    def give_up(self) -> None:
        """Nothing that is left will be sent again."""
        for number in list(self.left):
            self._finish(number, Away(str(self.last_error)))

    def _read(self, number: int, reply: Any) -> None:
        if isinstance(reply, REPEATABLE):
            self.last_error = reply
        elif isinstance(reply, RedisError):
            if not isinstance(reply, NoScriptError):
                self._finish(number, Unavailable(str(reply)))
        elif isinstance(reply, Exception):
            raise reply
        elif accepted := self.left[number].read(reply):
            self._finish(number, accepted)

    def _finish(self, number: int, outcome: Accepted | Unavailable) -> None:
        calls = len(self.left.pop(number).ids)
        if isinstance(outcome, Accepted):
            self._recorded += calls
        else:
            rejections.UNAVAILABLE.add(calls, str(outcome))
        self._done(number, outcome)


def rounds(ids: Sequence[int], buckets: int) -> Iterator[Parts]:
    """The ids of one call, as many at a time as one script for each bucket takes."""
    of_bucket: dict[int, list[int]] = {}
    for id in ids:
        of_bucket.setdefault(spread(id, buckets), []).append(id)
    chunked = ([(number, chunk) for chunk in _chunks(part)] for number, part in of_bucket.items())
    for each in zip_longest(*chunked):
        yield dict(filter(None, each))


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    return (ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS))
