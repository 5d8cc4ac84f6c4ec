"""The body of an ASGI request, up to a limit: no call may fill memory or disk."""

from counter.accepting.asgi import App, Message, Receive, Scope, Send, send_problem
from counter.accepting.batches.batch_call import MAX_BODY
from counter.accepting.problem import Problem


class Disconnected(Exception):
    """The caller went away before its body had arrived."""


class TooLarge(Exception):
    """The body is above MAX_BODY; what was not read yet is still on its way."""


TOO_LARGE = Problem(413, f"a body has at most {MAX_BODY} bytes", headers=[("Connection", "close")])

UNENCODED = ("", "identity")
"""What the header Content-Encoding of a body may say."""

ENCODED = Problem(
    415, "a body is read as it comes, without a Content-Encoding", headers=[("Accept-Encoding", "identity")]
)


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
        """Hand the request to the app with its whole body, or answer 413 for one that is too large."""
        try:
            body = await read_body(scope, receive)
        except TooLarge:
            await send_problem(TOO_LARGE, send)
        except Disconnected:
            return
        else:
            await self._app(scope, _replay(body, receive), send)


class WithoutBody:
    """Hands a request to `app` as if it had no body: what is refused for its headers waits for none."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to the app without its body, which the app may go on to throw away."""

        async def hang_up() -> Message:
            while (message := await receive())["type"] == "http.request":
                pass
            return message

        await self._app(scope, _replay(b"", hang_up), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """What is received: the body first, then whatever comes."""
    first: list[Message] = [{"type": "http.request", "body": body}]

    async def replayed() -> Message:
        return first.pop() if first else await receive()

    return replayed
