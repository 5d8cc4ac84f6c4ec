"""What a client knows of a batch: how to send it, and what its answer means. Nothing here waits or sends."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

Id = int | str
"""Of the default counter an integer of 64 bits, of a named one a text."""

Lost = Callable[[Sequence[Id], str], None]
"""Told which ids were not counted, or perhaps not, and why."""

MAX_IDS = 10_000
"""That Tally takes at once."""

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 5.0
"""Between attempts while nobody listens"""

NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Errors of a request of which Tally has heard nothing."""

TOO_MANY = 429
"""Said by a proxy, which has not passed the request on."""

log = logging.getLogger("tally_client")


class Full(Exception):
    """There was no room for an id, for as long as `count` may wait."""


class Closed(Exception):
    """The client was closed before."""


@dataclass(slots=True)
class Totals:
    """How many ids became what so far."""

    accepted: int = 0
    unknown: int = 0
    rejected: int = 0
    unsent: int = 0
    waiting: int = 0


def log_lost(ids: Sequence[Id], reason: str) -> None:
    """Tell of ids that were lost where nobody else does."""
    log.warning("%d ids may not have been counted: %s", len(ids), reason)


@dataclass(slots=True)
class Batches:
    """The ids that wait, and what became of the others. For one thread at a time."""

    counter: str
    totals: Totals = field(default_factory=Totals)
    settled: int = 0
    """How many ids wait no more"""
    losses: list[tuple[Sequence[Id], str]] = field(default_factory=list)
    """What nobody has been told of yet"""
    _waiting: deque[Id] = field(default_factory=deque)
    _failures: int = 0

    def add(self, id: Id) -> None:
        """Have it wait."""
        self._waiting.append(id)
        self.totals.waiting += 1

    def take(self, limit: int) -> list[Id]:
        """Those that have waited longest; an answer has to follow before the next are taken."""
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    def body(self, ids: Sequence[Id]) -> dict[str, Any]:
        """What to send."""
        return {"counter": self.counter, "ids": ids} if self.counter else {"ids": ids}

    def answered(self, ids: Sequence[Id], answer: httpx.Response) -> float:
        """Note what became of them; how many seconds to wait before the next are sent."""
        self._failures = 0
        if answer.is_success:
            self._settle("accepted", len(ids))
        elif answer.status_code == TOO_MANY:
            return self._again(ids, answer)
        elif (refused := _refused(answer)) is not None:
            self._settle("accepted", len(ids) - len(refused))
            return self._again(refused, answer)
        elif answer.is_client_error:
            self._lose("rejected", ids, f"{answer.status_code} {answer.text}")
        else:
            self._lose("unknown", ids, f"{answer.status_code} {answer.text}")
        return 0.0

    def failed(self, ids: Sequence[Id], error: httpx.HTTPError) -> float:
        """The same where there was no answer."""
        if not isinstance(error, NOTHING_SENT):
            self._lose("unknown", ids, repr(error))
            return 0.0
        self._waiting.extendleft(reversed(ids))
        self._failures += 1
        return float(min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), MAX_PAUSE_SECONDS))

    def give_up(self) -> None:
        """What waits is not sent any more."""
        self._lose("unsent", self.take(len(self._waiting)), "the client was closed before they could be sent")

    def _again(self, ids: Sequence[Id], answer: httpx.Response) -> float:
        self._waiting.extendleft(reversed(ids))
        return float(answer.headers.get("Retry-After", "1"))

    def _lose(self, kind: str, ids: Sequence[Id], reason: str) -> None:
        if ids:
            self._settle(kind, len(ids))
            self.losses.append((ids, reason))

    def _settle(self, kind: str, count: int) -> None:
        setattr(self.totals, kind, getattr(self.totals, kind) + count)
        self.totals.waiting -= count
        self.settled += count


def _refused(answer: httpx.Response) -> list[Id] | None:
    """The ids that Tally says it has not counted; None where it says nothing of them."""
    if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
        return None
    try:
        refused = answer.json()["refused"]
    except (ValueError, KeyError, TypeError):  # it is a proxy's
        return None
    return list(refused)
