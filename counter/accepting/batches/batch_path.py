"""The batch call beside the hot path: a small ASGI app in front of Django's.

A batch has no need to wait for others, so it doesn't go through the batcher, and single calls don't wait
behind it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from counter.accepting.asgi import App, Receive, Scope, Send, send_answer, send_problem
from counter.accepting.batches import batch_call
from counter.accepting.batches.batch_body import read_batch
from counter.accepting.batches.batch_call import BadBatch, Batch
from counter.accepting.receipt import Receipt
from counter.accepting.request_body import TOO_LARGE, UNENCODED, Disconnected, TooLarge, read_body
from counter.sinks.contract import PartSink
from counter.sinks.outcome import Unavailable
from counter.sinks.places import batch_places
from counter.telemetry import rejections

MAX_WAITING_IDS = 100_000
"""Of batches that wait for a sink: a third of a second's work. More are refused at once."""

WAIT_SECONDS = 0.7
"""For a sink, after which a call is refused that was let in: the server does not answer as it should. What it
may take itself comes on top, and in all an answer takes less than 2 seconds."""

MEDIA_TYPES = {batch_call.JSON.encode(): batch_call.JSON, batch_call.NDJSON.encode(): batch_call.NDJSON}
ACCEPTABLE = (b"*/*", b"application/*", b"application/json")


class BatchPath:
    """Answers the batch call, and hands to `app` all else, also what is to be refused for its headers.

    Belongs to one event loop. As many batches are under way at a time as there are `sinks`.
    """

    def __init__(self, app: App, sinks: Sequence[PartSink]) -> None:
        self._app = app
        self._sinks = sinks
        self._free: asyncio.Queue[PartSink] = asyncio.Queue()
        for sink in sinks:
            self._free.put_nowait(sink)
        self._waiting_ids = 0
        self._places = batch_places()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a batch call of a known media type; hand every other request to the app behind."""
        if scope["path"] != batch_call.PATH or scope["method"] != "POST" or not (kind := _media_type(scope)):
            await self._app(scope, receive, send)
            return
        try:
            batch = read_batch(kind, scope["query_string"], await read_body(scope, receive))
            receipt = await self._count(batch)
        except Disconnected:
            return
        except TooLarge:
            rejections.BAD_CALL.add(why=TOO_LARGE.detail)
            await send_problem(TOO_LARGE, send)
        except BadBatch as bad:
            rejections.BAD_CALL.add(why=str(bad))
            await send_problem(bad.problem, send)
        else:
            if receipt.refused:
                await send_problem(receipt.cut_short, send)
            else:
                await send_answer(200, batch_call.JSON, json.dumps(receipt.answer).encode(), send)

    async def stop(self) -> None:
        """Let go of the servers."""
        for sink in self._sinks:
            await sink.stop()

    async def _count(self, batch: Batch) -> Receipt:
        receipt = Receipt()
        try:
            async with self._sink(len(batch.ids)) as sink:
                for parts in self._places.rounds(batch.counter, batch.ids):
                    if receipt.refused:
                        receipt.refuse(parts)  # It is away: there is no time to find that out again
                    else:
                        await sink.commit(parts, receipt.noting(parts))
        except Unavailable:
            receipt.refused = list(batch.ids)
        return receipt

    @asynccontextmanager
    async def _sink(self, ids: int) -> AsyncIterator[PartSink]:
        """One for this call alone, of so many ids. Raises Unavailable where none gets free in time."""
        sink = self._free.get_nowait() if self._free.qsize() else await self._next_free(ids)
        try:
            yield sink
        finally:
            self._free.put_nowait(sink)

    async def _next_free(self, ids: int) -> PartSink:
        if self._waiting_ids + ids > MAX_WAITING_IDS:
            raise _overload(ids)
        self._waiting_ids += ids
        try:
            return await asyncio.wait_for(self._free.get(), WAIT_SECONDS)
        except TimeoutError:
            raise _overload(ids) from None
        finally:
            self._waiting_ids -= ids


def _overload(ids: int) -> Unavailable:
    why = "too many batches are waiting"
    rejections.UNAVAILABLE.add(ids, why)
    return Unavailable(why)


def _media_type(scope: Scope) -> str | None:
    """The body's, where the call is one that can be answered here."""
    kind = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind = MEDIA_TYPES.get(value.partition(b";")[0].strip().lower())
        elif _is_refused_for(name, value):
            return None
    return kind


def _is_refused_for(name: bytes, value: bytes) -> bool:
    if name == b"content-encoding":
        return value.decode("latin-1").strip().lower() not in UNENCODED
    return name == b"accept" and not any(each in value for each in ACCEPTABLE)
