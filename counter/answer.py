"""Answers of the ASGI apps beside the hot path, each sent as a whole."""

from counter import caches
from counter.hot_path import Send
from counter.problem import CONTENT_TYPE, Problem


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
