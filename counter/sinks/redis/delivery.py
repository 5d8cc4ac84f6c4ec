"""Delivery: a group of calls on its way into Redis, a part for each place that has any of them.

Both lanes deliver, one over blocking connections and one over asyncio's; what to send, and what the replies
mean, is decided here. The parts are batches of writers of their own: each counts once, whatever becomes of
the others, and goes again under its number until it is answered.
"""

import time
from collections import Counter
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from django.conf import settings
from redis.exceptions import NoScriptError

from counter.redis.replication import unreplicated
from counter.redis.replies import HANG_UP, REPEATABLE
from counter.sinks.outcome import DEADLINE_SECONDS, Accepted, Away, Done, Parts, Unavailable
from counter.sinks.redis.write import HOLD_MILLISECONDS, SCRIPT, Writer, is_unopened
from counter.telemetry import metrics, rejections
from counter.telemetry.outages import CURRENT

Command = tuple[str | int | bytes, ...]


class Need(Enum):
    """What a node needs before the next try."""

    NOTHING = auto()
    SCRIPT = auto()
    """To be given SCRIPT: it does not know it"""
    CONNECTION = auto()
    """A new one: where the address leads now may be elsewhere"""


class Delivery:
    """Send `commands` to the node of those places and `read` what it replies, until nothing is `left`.

    Before the next try each of the `unopened` counters is to be opened, or refused.
    """

    def __init__(self, writers: Sequence[Writer], parts: Parts, done: Done) -> None:
        self.left = {number: writers[number].batch(ids) for number, ids in parts.items()}
        self.last_error: Exception | None = None
        """The last reason to send again what is left, after a pause."""
        self.unopened: set[str] = set()
        self._done = done
        self._recorded: Counter[str] = Counter()
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

    def read(self, numbers: Sequence[int], replies: Sequence[Any]) -> Need:
        """A reply or an exception for each command; what the node needs before what is left goes again."""
        scripts, held = replies[: len(numbers)], replies[len(numbers) :]
        missing = unreplicated(held[-1]) if held else None
        outcomes = [reply if isinstance(reply, Exception) else missing or reply for reply in scripts]
        for number, outcome in zip(numbers, outcomes, strict=True):
            self._read(number, outcome)
        if self._recorded:
            metrics.observe(self._recorded, time.perf_counter() - self._begin)
            self._recorded.clear()
        if any(isinstance(outcome, HANG_UP) for outcome in outcomes):
            return Need.CONNECTION
        return Need.SCRIPT if any(isinstance(each, NoScriptError) for each in outcomes) else Need.NOTHING

    def give_up(self) -> None:
        """Nothing that is left will be sent again: Redis did not answer in time."""
        self._end(Away(str(self.last_error) or "it does not answer"))

    def refuse(self, counter: str, why: Exception) -> None:
        """The calls of a counter can't be counted, for a reason that no new try cures."""
        for number, batch in list(self.left.items()):
            if batch.writer.bucket.counter == counter:
                self._finish(number, Unavailable(str(why)))

    def fail(self) -> None:
        """The same because of a fault of Tally's own: callers must not wait for ever, nor the next ones."""
        self._end(Unavailable("a fault of Tally's; its log says more"))

    def _end(self, outcome: Unavailable) -> None:
        for number in list(self.left):
            self._finish(number, outcome)

    def _read(self, number: int, reply: Any) -> None:
        if isinstance(reply, (*REPEATABLE, NoScriptError)):
            self.last_error = reply
        elif is_unopened(reply):
            self.unopened.add(self.left[number].writer.bucket.counter)
        elif isinstance(reply, Exception):
            self.left[number].writer.begin_anew()
            self._finish(number, Unavailable(str(reply)))
        elif accepted := self.left[number].read(reply):
            self._finish(number, accepted)

    def _finish(self, number: int, outcome: Accepted | Unavailable) -> None:
        batch = self.left.pop(number)
        calls = len(batch.ids)
        if isinstance(outcome, Accepted):
            self._recorded[batch.writer.bucket.counter] += calls
            CURRENT.end(number)
        else:
            CURRENT.begin(number, str(outcome))
            rejections.UNAVAILABLE.add(calls, str(outcome))
        self._done(number, outcome)
