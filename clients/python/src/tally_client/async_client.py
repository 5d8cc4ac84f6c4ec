"""The client for asyncio."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from tally_client.batch import Full, Id, Lost, Totals, log_lost
from tally_client.client import WAIT_SECONDS, Client


class AsyncClient:
    """A `Client` for the tasks of one event loop, which it never holds up: the same arguments, and awaited.

    `lost` is called in the event loop. Use it with `async with`.
    """

    def __init__(self, url: str, *, lost: Lost = log_lost, **options: Any) -> None:
        self._url, self._lost, self._options = url, lost, options

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._client = Client(self._url, lost=self._tell, **self._options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def totals(self) -> Totals:
        """What became of the ids so far."""
        return self._client.totals

    async def count(self, id: Id, timeout: float = WAIT_SECONDS) -> None:
        """Have it counted once. Waits while there is no room. Raises Full or Closed; then it is not."""
        try:
            self._client.count(id, timeout=0)
        except Full:
            await asyncio.to_thread(self._client.count, id, timeout)

    async def flush(self, timeout: float = 10.0) -> bool:
        """Send what waits; whether nothing of it waits any more."""
        return await asyncio.to_thread(self._client.flush, timeout)

    async def close(self, timeout: float = 10.0) -> None:
        """Send what waits, for so many seconds at most. It counts nothing any more."""
        await asyncio.to_thread(self._client.close, timeout)

    def _tell(self, ids: Sequence[Id], reason: str) -> None:
        self._loop.call_soon_threadsafe(self._lost, ids, reason)
