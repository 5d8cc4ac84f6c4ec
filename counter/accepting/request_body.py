"""The body of an ASGI request, up to a limit: no call may fill memory or disk."""

from counter.accepting.asgi import App, Message, Receive, Scope, Send, send_problem
from counter.accepting.batch_call import MAX_BODY
from counter.accepting.problem import Problem


class Disconnected(Exception):
    """The caller went away before its body had arrived."""


class TooLarge(Exception):
    """The body is above MAX_BODY; what was not read yet is still on its way."""


TOO_LARGE = Problem(413, f"a body has at most {MAX_BODY} bytes", headers=[("Connection", "close")])


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """All of it. Raises TooLarge, at once where its length was announced, or Disconnected."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if int(announced) > MAX_BODY:
        raise TooLarge
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise TooLarge
        more = message.get("more_body", False)
    return bytes(body)


class BodyLimit:
    """Hands a request to `app` with its whole body, or answers 413."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        try:
            body = await read_body(scope, receive)
        except TooLarge:
            await send_problem(TOO_LARGE, send)
        except Disconnected:
            return
        else:
            await self._app(scope, _replay(body, receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """What is received: the body first, then whatever comes."""
    first: list[Message] = [{"type": "http.request", "body": body}]

    async def replayed() -> Message:
        return first.pop() if first else await receive()

    return replayed
