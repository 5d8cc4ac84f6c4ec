"""The hot path: a small ASGI app in front of Django's, for the accept call alone.

Django's own handler costs some 25 times more per call, so the one call that comes for every event does not
go through it. Everything else does, and so does an accept call with an `endpoint`.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from counter import accepting, caches, refusals
from counter.batch import Accepted, Unavailable

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Sink(Protocol):
    """Where calls are recorded."""

    def record(self, id: int) -> Awaitable[Accepted | None]:
        """Record one call for good; what is awaited is None when that could not be done.

        Raises Unavailable at once when it can't be.
        """
        ...


def _answer(status: int, body: bytes, *extra: tuple[bytes, bytes]) -> tuple[Message, Message]:
    headers = [
        (b"content-type", accepting.CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (caches.HEADER.lower().encode(), caches.NO_STORE.encode()),
        *extra,
    ]
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


_OK = _answer(200, accepting.OK)
_BAD = _answer(400, accepting.FAILED)
_UNAVAILABLE = _answer(503, accepting.FAILED, (b"retry-after", str(accepting.RETRY_AFTER_SECONDS).encode()))


class HotPath:
    """Answers the accept call from `sink`, and hands all else to `app`."""

    def __init__(self, app: App, sink: Sink) -> None:
        self._app = app
        self._sink = sink

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, or whatever else the server has to say."""
        if scope.get("path") != accepting.PATH or scope["method"] not in accepting.METHODS:
            await self._app(scope, receive, send)
            return
        try:
            call = accepting.parse_call(scope["query_string"])
            if call.endpoint:
                await self._app(scope, receive, send)
                return
            answer = _OK if await self._sink.record(call.id) else _UNAVAILABLE
        except accepting.BadCall as bad:
            refusals.BAD_CALL.add(why=str(bad))
            answer = _BAD
        except Unavailable:
            answer = _UNAVAILABLE
        for message in answer:
            await send(message)
