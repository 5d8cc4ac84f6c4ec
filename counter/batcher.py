"""Batcher: group commit for the hot path.

All calls that arrive while one script is under way leave together in the next, and each is answered when
its script has returned. So the cost of a call falls as load grows, and a write that is on disk before the
answer (`appendfsync always`) costs hardly more than one that is not.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable

import structlog
from redis.asyncio import Connection

from counter import metrics, refusals
from counter.batch import MAX_IDS, Accepted, Unavailable, Writer
from counter.committer import Away, Committer

logger = structlog.get_logger(__name__)

MAX_WAITING = 16
"""Full batches that may wait. More calls than this are refused at once: a queue only delays the answer."""

PROBE_SECONDS = 0.1
"""How often Redis is asked whether it is back, while every call is refused at once."""


class _Outcome(asyncio.Future[Accepted | None]):
    """What became of a batch: all its calls await this one future; None says that it was not recorded."""

    def cancel(self, msg: object = None) -> bool:
        """Never: a caller that goes away must not take the others' answer with it."""
        return False


class _Group:
    """The calls that will leave together."""

    __slots__ = ("ids", "outcome")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.outcome = _Outcome()


class Batcher:
    """One writer with one batch under way. Belongs to the event loop that it is started in.

    `connection` must not repeat commands by itself.
    """

    def __init__(self, connection: Connection) -> None:
        self._committer = Committer(connection, Writer())
        self._waiting: deque[_Group] = deque()
        self._arrival = asyncio.Event()
        self._idle = asyncio.Event()
        self._available = True
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Send what waits, then let go of Redis."""
        await self._idle.wait()
        assert self._task
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._committer.stop()

    def record(self, id: int) -> Awaitable[Accepted | None]:
        """Count one call; what is awaited is None when it was not recorded.

        Raises Unavailable at once when Redis is away or too many calls wait already. Not a coroutine: one
        future for a batch is all that its calls cost.
        """
        waiting = self._waiting
        if not waiting or len(waiting[-1].ids) == MAX_IDS:
            self._open()
        group = waiting[-1]
        group.ids.append(id)
        return group.outcome

    def _open(self) -> None:
        """A new group for the calls to come."""
        if not self._available or len(self._waiting) == MAX_WAITING:
            why = "too many calls are waiting" if self._available else "Redis is away"
            refusals.UNAVAILABLE.add(why=why)
            raise Unavailable(why)
        self._waiting.append(_Group())
        self._arrival.set()
        self._idle.clear()

    async def _run(self) -> None:
        while True:
            while self._waiting:
                metrics.QUEUE_CALLS.set(sum(len(group.ids) for group in self._waiting))
                group = self._waiting.popleft()
                group.outcome.set_result(await self._commit(group.ids))
                if not self._available:
                    await self._recover()
            metrics.QUEUE_CALLS.set(0)
            self._arrival.clear()
            self._idle.set()
            await self._arrival.wait()

    async def _commit(self, ids: list[int]) -> Accepted | None:
        try:
            return await self._committer.commit(ids)
        except Away as error:
            logger.warning("Redis is away, refusing every call", error=str(error))
            self._available = False
        except Unavailable:
            pass  # counted and logged as refused calls
        return None

    async def _recover(self) -> None:
        """Refuse all that waits, then wait until Redis answers again."""
        while self._waiting:
            group = self._waiting.popleft()
            refusals.UNAVAILABLE.add(len(group.ids), "Redis is away")
            group.outcome.set_result(None)
        self._idle.set()
        while not self._available:
            await asyncio.sleep(PROBE_SECONDS)
            self._available = await self._committer.is_answered()
        logger.warning("Redis is back, accepting again")
