"""The hot path: a small ASGI app in front of Django's, for the accept call alone.

Django's own handler costs some 25 times more per call, so the one call that comes for every event does not
go through it. Everything else does, and so does an accept call with an `endpoint`.
"""

from collections.abc import Awaitable
from typing import Protocol

from counter import caches
from counter.accepting import accept_call
from counter.accepting.asgi import App, Message, Receive, Scope, Send
from counter.sinks.outcome import Accepted, Unavailable
from counter.telemetry import rejections


class Sink(Protocol):
    """Where calls are recorded."""

    def record(self, id: int) -> Awaitable[Accepted | None]:
        """Record one call for good; what is awaited is None when that could not be done.

        Raises Unavailable at once when it can't be.
        """
        ...


def _answer(status: int, body: bytes, *extra: tuple[bytes, bytes]) -> tuple[Message, Message]:
    headers = [
        (b"content-type", accept_call.CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (caches.HEADER.lower().encode(), caches.NO_STORE.encode()),
        *extra,
    ]
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


_OK = _answer(200, accept_call.OK)
_BAD = _answer(400, accept_call.FAILED)
_UNAVAILABLE = _answer(
    503, accept_call.FAILED, (b"retry-after", str(accept_call.RETRY_AFTER_SECONDS).encode())
)


class HotPath:
    """Answers the accept call from `sink`, and hands all else to `app`."""

    def __init__(self, app: App, sink: Sink) -> None:
        self._app = app
        self._sink = sink

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, or whatever else the server has to say."""
        if scope.get("path") != accept_call.PATH or scope["method"] not in accept_call.METHODS:
            await self._app(scope, receive, send)
            return
        try:
            call = accept_call.parse_call(scope["query_string"])
            if call.endpoint:
                await self._app(scope, receive, send)
                return
            answer = _OK if await self._sink.record(call.id) else _UNAVAILABLE
        except accept_call.BadCall as bad:
            rejections.BAD_CALL.add(why=str(bad))
            answer = _BAD
        except Unavailable:
            answer = _UNAVAILABLE
        for message in answer:
            await send(message)
