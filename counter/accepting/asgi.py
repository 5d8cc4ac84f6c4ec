"""What the ASGI apps in front of Django share: their types, and answers that are sent as a whole."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from counter.accepting import caches
from counter.accepting.problem import CONTENT_TYPE, Problem

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def send_problem(problem: Problem, send: Send) -> None:
    """Answer with an error."""
    await send_answer(problem.status, CONTENT_TYPE, problem.body, send, *problem.headers)


async def send_answer(
    status: int, content_type: str, body: bytes, send: Send, *headers: tuple[str, str]
) -> None:
    """Answer, with the body's type and length and these `headers`."""
    fields = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        (caches.HEADER, caches.NO_STORE),
        *headers,
    ]
    raw = [(name.lower().encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
