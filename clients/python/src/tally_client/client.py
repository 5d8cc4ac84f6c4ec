"""The client for threads."""

import atexit
import threading
import time
from types import TracebackType
from typing import Self

import httpx

from tally_client.batch import MAX_IDS, Batches, Closed, Full, Id, Lost, Totals, log_lost

PATH = "/api/v1/accept/"
WAIT_SECONDS = 5.0
"""For room, where the client is full"""

MAX_ANSWER_SECONDS = 10.0


class Client:
    """Counts ids from any number of threads; its own thread sends them. Use it with `with`, or close it.

    It sends after `seconds`, or when `size` ids wait, and holds `capacity` ids at most. `lost` is called in
    its thread. `token` is Tally's ACCEPT_TOKEN.
    """

    def __init__(  # noqa: PLR0913  (none of them alone)
        self,
        url: str,
        *,
        counter: str = "",
        token: str = "",
        size: int = 1000,
        seconds: float = 0.1,
        capacity: int = 100_000,
        lost: Lost = log_lost,
    ) -> None:
        if not 0 < size <= MAX_IDS:
            raise ValueError(f"size is 1 to {MAX_IDS}")
        self._size, self._seconds, self._capacity = size, seconds, capacity
        self._batches, self._lost = Batches(counter), lost
        self._change = threading.Condition()
        self._deadline = float("inf")
        """When it gives up, once it is closed"""
        self._is_closed = False
        self._flushes = 0
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers)
        self._thread = threading.Thread(target=self._run, name="tally-client", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def totals(self) -> Totals:
        """What became of the ids so far."""
        with self._change:
            return Totals(**{name: getattr(self._batches.totals, name) for name in Totals.__slots__})

    def count(self, id: Id, timeout: float = WAIT_SECONDS) -> None:
        """Have it counted once. Waits while there is no room. Raises Full or Closed; then it is not."""
        with self._change:
            has_room = self._change.wait_for(self._has_room, timeout)
            if self._is_closed:
                raise Closed
            if not has_room:
                raise Full(f"{self._capacity} ids wait for Tally")
            self._batches.add(id)
            if self._batches.totals.waiting in (1, self._size):
                self._change.notify_all()

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what waits; whether nothing of it waits any more."""
        with self._change:
            wanted = self._batches.settled + self._batches.totals.waiting
            self._flushes += 1
            self._change.notify_all()
            try:
                return self._change.wait_for(lambda: self._batches.settled >= wanted, timeout)
            finally:
                self._flushes -= 1

    def close(self, timeout: float = 10.0) -> None:
        """Send what waits, for so many seconds at most. It counts nothing any more."""
        with self._change:
            if not self._is_closed:
                self._is_closed = True
                self._deadline = time.monotonic() + timeout
                self._change.notify_all()
        self._thread.join()
        atexit.unregister(self.close)

    def _has_room(self) -> bool:
        return self._is_closed or self._batches.totals.waiting < self._capacity

    def _run(self) -> None:
        pause = 0.0
        while ids := self._next(pause):
            try:
                answer = self._http.post(PATH, json=self._batches.body(ids), timeout=self._timeout())
            except httpx.HTTPError as error:
                with self._change:
                    pause = self._batches.failed(ids, error)
            else:
                with self._change:
                    pause = self._batches.answered(ids, answer)
            self._tell()
        self._tell()
        self._http.close()

    def _next(self, pause: float) -> list[Id]:
        """The next batch, after a pause and when it is time; none when the client is closed and done."""
        ready = time.monotonic() + pause
        with self._change:
            self._change.wait_for(lambda: self._deadline < ready, pause)
            self._change.wait_for(lambda: self._is_closed or self._batches.totals.waiting)
            self._change.wait_for(self._is_time, self._seconds)
            if self._deadline < max(ready, time.monotonic()):
                self._batches.give_up()
            return self._batches.take(self._size)

    def _tell(self) -> None:
        """Those who wait, that there is room; and of what was lost, without holding anybody up."""
        with self._change:
            losses, self._batches.losses = self._batches.losses, []
            self._change.notify_all()
        for ids, reason in losses:
            self._lost(ids, reason)

    def _is_time(self) -> bool:
        return bool(self._is_closed or self._flushes or self._batches.totals.waiting >= self._size)

    def _timeout(self) -> float:
        """For an answer: one that comes too late tells nothing."""
        return min(MAX_ANSWER_SECONDS, max(1.0, self._deadline - time.monotonic()))
