"""Django behind a server that lets any byte through: uvicorn refuses those above 127, others may not."""

import asyncio

import redis

from counter.accepting.accept_call import PATH
from counter.accepting.asgi import Message
from project.asgi import application


async def test_a_query_that_is_no_text_is_read_byte_by_byte(valkey: redis.Redis) -> None:
    sent: list[Message] = []
    bodies = asyncio.Queue[Message]()
    bodies.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "query_string": b"id=1&endpoint=http://192.0.2.1/&x=\xff",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    await application(scope, bodies.get, send)
    assert [each.get("status", each.get("body")) for each in sent] == [200, b"ok"]
