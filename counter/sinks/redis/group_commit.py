"""GroupCommit: group commit for the hot path.

All calls that arrive while one group is under way leave together in the next, a part to each place, and
each is answered when its part has been. So the cost of a call falls as load grows, and a write that is on
disk before the answer (`appendfsync always`) costs hardly more than one that is not.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog
from django.conf import settings

from counter.counters import DEFAULT, counters
from counter.ids import Id
from counter.sinks.outcome import Accepted, Away, Told, Unavailable
from counter.sinks.places import Places
from counter.sinks.redis.async_writer import AsyncWriter
from counter.sinks.redis.connections import Connections
from counter.store import keys
from counter.store.limits import MAX_IDS
from counter.telemetry import metrics, rejections
from counter.telemetry.outages import CURRENT

logger = structlog.get_logger(__name__)

MAX_WAITING = 16
"""Full groups that may wait. More calls than this are refused at once: a queue only delays the answer."""

PROBE_SECONDS = 0.1
"""How often Redis is asked whether it is back, while every call for its buckets is refused at once."""


class _Part:
    """The calls of a group that are for one place: their ids, and whom to tell what became of them."""

    __slots__ = ("callers", "ids")

    def __init__(self) -> None:
        self.ids: list[Id] = []
        self.callers: list[Told] = []

    def tell(self, outcome: Accepted | None) -> None:
        """All of them, once; None says that they were not recorded."""
        callers, self.callers = self.callers, []
        for told in callers:
            told(outcome)


class _Group:
    """The calls that will leave together."""

    __slots__ = ("calls", "parts")

    def __init__(self) -> None:
        self.calls = 0
        self.parts: dict[int, _Part] = {}


class GroupCommit:
    """One group is under way at a time. Belongs to the event loop that it is started in.

    `connect` makes nodes; those that are asked whether they are back are not those that groups are sent to.
    Both ask anew where the address leads after every trouble, so what the one finds the other finds, too.
    """

    def __init__(self, connect: Callable[[], Connections]) -> None:
        buckets = keys.places(settings.REDIS_BUCKETS, counters())
        self._places = Places(settings.REDIS_BUCKETS)
        self._committer = AsyncWriter(connect(), buckets)
        self._scout = AsyncWriter(connect(), buckets)
        self._waiting: deque[_Group] = deque()
        self._arrival = asyncio.Event()
        self._idle = asyncio.Event()
        self._away: dict[int, str] = {}
        """The places whose calls are refused at once, and why."""
        self._tasks: list[asyncio.Task[None]] = []
        self._loss = asyncio.Event()

    async def start(self) -> None:
        """Begin to send."""
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._recover())]

    async def stop(self) -> None:
        """Send what waits, then let go of Redis."""
        await self._idle.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._committer.stop()
        await self._scout.stop()

    def record(self, id: Id, told: Told, counter: str = DEFAULT) -> None:
        """Count one call, and tell what became of it: None when it was not recorded.

        Raises Unavailable at once, and tells nothing, when Redis is away or too many calls wait already.
        """
        number = self._places.of(counter, id)
        if number in self._away:
            self._refuse(self._away[number])
        waiting = self._waiting
        if not waiting or waiting[-1].calls == MAX_IDS:
            self._open()
        group = waiting[-1]
        group.calls += 1
        if not (part := group.parts.get(number)):
            part = group.parts[number] = _Part()
        part.ids.append(id)
        part.callers.append(told)

    def _open(self) -> None:
        """A new group for the calls to come."""
        if len(self._waiting) == MAX_WAITING:
            self._refuse("too many calls are waiting")
        self._waiting.append(_Group())
        self._arrival.set()
        self._idle.clear()

    def _refuse(self, why: str) -> None:
        rejections.UNAVAILABLE.add(why=why)
        raise Unavailable(why)

    async def _run(self) -> None:
        while True:
            while self._waiting:
                metrics.QUEUE_CALLS.set(sum(group.calls for group in self._waiting))
                await self._commit(self._waiting.popleft().parts)
            metrics.QUEUE_CALLS.set(0)
            self._arrival.clear()
            self._idle.set()
            await self._arrival.wait()

    async def _commit(self, parts: dict[int, _Part]) -> None:
        for number in self._away.keys() & parts.keys():  # they came before it was known
            rejections.UNAVAILABLE.add(len(parts[number].ids), self._away[number])
            parts.pop(number).tell(None)

        def done(number: int, outcome: Accepted | Unavailable) -> None:
            if isinstance(outcome, Unavailable):
                self._note(number, outcome)
                parts[number].tell(None)
            else:
                parts[number].tell(outcome)

        try:
            await self._committer.commit({number: part.ids for number, part in parts.items()}, done)
        except Exception:  # the next group must not wait for ever because of this one
            logger.exception("a group of calls failed")
            for part in parts.values():
                if part.callers:
                    rejections.UNAVAILABLE.add(len(part.ids), "a fault of Tally's; its log says more")
                    part.tell(None)

    def _note(self, number: int, reason: Unavailable) -> None:
        if isinstance(reason, Away):  # any other reason is logged with the refused calls
            logger.warning("Redis is away, refusing every call", place=number, error=str(reason))
            self._away[number] = f"Redis is away: {reason}"
            self._loss.set()

    async def _recover(self) -> None:
        """Watch for Redis to come back, bucket by bucket, wherever it is away."""
        while True:
            await self._loss.wait()
            while self._away:
                await asyncio.sleep(PROBE_SECONDS)
                for number in (back := await self._back()):
                    del self._away[number]
                    CURRENT.end(number)
                for number, why in self._away.items():
                    CURRENT.begin(number, why)
                if back:
                    logger.warning("Redis is back, accepting again", places=sorted(back))
            self._loss.clear()

    async def _back(self) -> set[int]:
        try:
            return await self._scout.answering(set(self._away))
        except Exception:  # calls would be refused for ever without another look
            logger.exception("Redis could not be asked whether it is back")
            return set()
