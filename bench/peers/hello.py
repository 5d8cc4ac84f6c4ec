"""The least an ASGI application can do: the bar that the hot path is measured against."""

from counter.accepting.asgi import Receive, Scope, Send

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"2")],
}
BODY = {"type": "http.response.body", "body": b"ok"}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """`ok`, whatever is asked."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
        return
    await send(START)
    await send(BODY)
