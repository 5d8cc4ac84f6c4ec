"""The batch call beside the hot path: a small ASGI app in front of Django's.

A batch has no need to wait for others, so it doesn't go through the batcher, and single calls don't wait
behind it. It has writers and connections of its own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from django.conf import settings

from counter import id_batch, keys, refusals
from counter.answer import send_answer, send_problem
from counter.batch import Unavailable
from counter.committer import Committer
from counter.delivery import rounds
from counter.hot_path import App, Receive, Scope, Send
from counter.id_batch import BadBatch, Receipt, read_ids
from counter.nodes import Nodes
from counter.request_body import TOO_LARGE, Disconnected, TooLarge, read_body

COMMITTERS = 2
"""Scripts under way at a time: while Redis runs one, the next is made ready."""

WAIT_SECONDS = 3.0
"""For a committer, after which the call is refused: about a hundred of the largest batches come first."""

MEDIA_TYPES = {id_batch.JSON.encode(): id_batch.JSON, id_batch.NDJSON.encode(): id_batch.NDJSON}
ACCEPTABLE = (b"*/*", b"application/*", b"application/json")


class BatchPath:
    """Answers the batch call, and hands to `app` all else, also what is to be refused for its headers.

    Belongs to one event loop. `connect` makes nodes.
    """

    def __init__(self, app: App, connect: Callable[[], Nodes]) -> None:
        self._app = app
        buckets = keys.buckets(settings.REDIS_BUCKETS)
        self._buckets = len(buckets)
        self._committers = [Committer(connect(), buckets, keeps_replies=True) for _ in range(COMMITTERS)]
        self._free: asyncio.Queue[Committer] = asyncio.Queue()
        for committer in self._committers:
            self._free.put_nowait(committer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        if scope["path"] != id_batch.PATH or scope["method"] != "POST" or not (kind := _media_type(scope)):
            await self._app(scope, receive, send)
            return
        try:
            receipt = await self._count(read_ids(kind, await read_body(scope, receive)))
        except Disconnected:
            return
        except TooLarge:
            refusals.BAD_CALL.add(why=TOO_LARGE.detail)
            await send_problem(TOO_LARGE, send)
        except BadBatch as bad:
            refusals.BAD_CALL.add(why=str(bad))
            await send_problem(bad.problem, send)
        else:
            if receipt.refused:
                await send_problem(receipt.cut_short, send)
            else:
                await send_answer(200, id_batch.JSON, json.dumps(receipt.answer).encode(), send)

    async def stop(self) -> None:
        """Let go of Redis."""
        for committer in self._committers:
            await committer.stop()

    async def _count(self, ids: list[int]) -> Receipt:
        receipt = Receipt()
        try:
            async with self._committer() as committer:
                for parts in rounds(ids, self._buckets):
                    if receipt.refused:
                        receipt.refuse(parts)  # Redis is away: there is no time to find that out again
                    else:
                        await committer.commit(parts, receipt.noting(parts))
        except Unavailable:
            receipt.refused = ids
        return receipt

    @asynccontextmanager
    async def _committer(self) -> AsyncIterator[Committer]:
        """One for this call alone. Raises Unavailable where none gets free in time."""
        try:
            committer = await asyncio.wait_for(self._free.get(), WAIT_SECONDS)
        except TimeoutError:
            refusals.UNAVAILABLE.add(why="too many batches are waiting")
            raise Unavailable("too many batches are waiting") from None
        try:
            yield committer
        finally:
            self._free.put_nowait(committer)


def _media_type(scope: Scope) -> str | None:
    """The body's, where the call is one that can be answered here."""
    kind = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind = MEDIA_TYPES.get(value.partition(b";")[0].strip().lower())
        elif name == b"accept" and not any(each in value for each in ACCEPTABLE):
            return None
    return kind
