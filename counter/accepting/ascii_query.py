"""AsciiQuery: what is in front of Django, whose query is text, where the one that came is bytes."""

from urllib.parse import quote_from_bytes

from counter.accepting.asgi import App, Receive, Scope, Send

KEPT = "".join(map(chr, range(0x21, 0x7F)))


def in_ascii(query: bytes) -> bytes:
    """The query with each byte that is no printable ASCII as `%XX`: percent-decoded, it is the same bytes."""
    return quote_from_bytes(query, KEPT).encode()


class AsciiQuery:
    """Hands a request to `app` with a query that it can read, whatever bytes the caller sent."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        await self._app({**scope, "query_string": in_ascii(scope["query_string"])}, receive, send)
