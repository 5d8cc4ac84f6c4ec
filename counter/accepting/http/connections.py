"""Connections: all those of a web process, and what they may take of it together.

A connection that says nothing costs memory alone. Once a second all of them are looked at, and those whose
time is over are ended: so a request needs no timer.
"""

import asyncio
import resource
import sys
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

from counter.accepting.hot_path import ANSWERS

SPARE_DESCRIPTORS = 200
"""For files, servers, and connections that are being turned away."""

MAX_TURNED_AWAY = 100
"""At a time. More are closed without an answer."""

SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """For the connections of one process, sizes in bytes, times in seconds; a time may be a sweep longer."""

    connections: int = 10_000
    """More are turned away with a 503. One that is idle takes some 5 kB."""
    held: int = 64 * 1024 * 1024
    """By requests that are not complete, or wait for their turn."""
    idle: float = 75.0
    """Longer than the minute for which proxies and load balancers keep theirs: they must close first."""
    head: float = 10.0
    """From a request's first byte to the end of its headers."""
    body: float = 30.0
    """From there to the end of its body."""
    write: float = 30.0
    """For a caller to read some of its answers."""
    linger: float = 2.0
    """For a caller to read the last answer, before what it still sends makes the system throw that away."""


class Timed(Protocol):
    """A connection, as it is seen from here."""

    deadline: float

    def expire(self) -> None:
        """Its time is over, if nothing of it is under way."""
        ...


def allow_descriptors() -> int:
    """Let this process have as many file descriptors as the system allows it; returns how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


class Connections:
    """Belongs to one event loop."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._most = max(1, min(self.limits.connections, allow_descriptors() - SPARE_DESCRIPTORS))
        self._open: set[Timed] = set()
        self._turned_away: set[Timed] = set()
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None
        self.now = 0.0
        """Seconds of the event loop's clock, at the last sweep."""
        self.idle_until = 0.0
        """The deadline of a connection that is idle from now on."""

    def start(self) -> None:
        """Begin to look at them."""
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        self.idle_until = self.now + self.limits.idle
        date = formatdate(usegmt=True).encode()
        for answer in ANSWERS:
            answer.stamp(date)
        for each in [*self._open, *self._turned_away]:
            if each.deadline < self.now:
                each.expire()
        self._timer = loop.call_later(SWEEP_SECONDS, self.start)

    def stop(self) -> None:
        """Look at them no more."""
        if self._timer:
            self._timer.cancel()

    def admit(self, connection: Timed) -> bool:
        """Whether there is room for one more."""
        if len(self._open) >= self._most:
            return False
        self._open.add(connection)
        return True

    def turn_away(self, connection: Timed) -> bool:
        """Whether there is time to tell it that there is no room."""
        if len(self._turned_away) >= MAX_TURNED_AWAY:
            return False
        self._turned_away.add(connection)
        return True

    def forget(self, connection: Timed) -> None:
        """It is closed."""
        self._open.discard(connection)
        self._turned_away.discard(connection)

    def hold(self, size: int) -> bool:
        """Take memory for so many bytes. It is taken also where there was not enough: then give it back."""
        self._held += size
        return self._held <= self.limits.held

    def release(self, size: int) -> None:
        """So many bytes are held no more."""
        self._held -= size
