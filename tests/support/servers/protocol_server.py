"""The protocol class on uvloop, with limits of a test, and an application that reads bodies."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
import uvloop

from counter.accepting.asgi import Receive, Scope, Send, send_answer
from counter.accepting.http import connections
from counter.accepting.http.accept_protocol import AcceptProtocol
from counter.accepting.http.bounded_protocol import FRONT, Front
from counter.accepting.http.connections import Connections, Limits
from counter.accepting.request_body import Disconnected, read_body
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from embedded.ports import free_port


async def measure(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    try:
        size = len(await read_body(scope, receive))
    except Disconnected:
        return
    await send_answer(200, "text/plain", str(size).encode(), send)


class _Server:
    def __init__(self, limits: Limits, port: int) -> None:
        self._limits = limits
        self._port = port
        self._is_up = threading.Event()
        self.thread = threading.Thread(target=lambda: uvloop.run(self._serve()))

    def start(self) -> None:
        self.thread.start()
        assert self._is_up.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self.thread.join()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        sink, shared = GroupCommit(connect_async), Connections(self._limits)
        await sink.start()
        shared.start()
        config = uvicorn.Config(measure, interface="asgi3", ws="none", log_config=None, access_log=False)
        state = uvicorn.server.ServerState()
        front = {FRONT: Front(sink, shared)}
        server = await self._loop.create_server(
            lambda: AcceptProtocol(config, state, front), "127.0.0.1", self._port
        )
        self._is_up.set()
        await self._end.wait()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await sink.stop()
        shared.stop()


@contextmanager
def bounded(limits: Limits) -> Iterator[str]:
    """The base url of a server with these limits, which looks at them more often."""
    port = free_port()
    server = _Server(limits, port)
    before, connections.SWEEP_SECONDS = connections.SWEEP_SECONDS, 0.02
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        connections.SWEEP_SECONDS = before
