"""The web server: what stands in front of Django, and its processes' life from start to drain.

`python -m project.web [--workers 2] [--host 0.0.0.0] [--port 8000]`

Each worker is a uvicorn with a protocol class of ours, which answers the accept call itself. Batch calls are
answered in front of Django, and the rest by Django.
"""

import argparse
import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable
from functools import partial

import django
import uvicorn

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.conf import settings  # noqa: E402  (all of these need Django's settings)

from counter.accepting.asgi import App, Receive, Scope, Send  # noqa: E402
from counter.accepting.batches.batch_path import BatchPath  # noqa: E402
from counter.accepting.caller_tokens import caller_tokens  # noqa: E402
from counter.accepting.crowd import Crowd  # noqa: E402
from counter.accepting.http.accept_protocol import AcceptProtocol  # noqa: E402
from counter.accepting.http.bounded_protocol import FRONT, Front  # noqa: E402
from counter.accepting.http.connections import Connections  # noqa: E402
from counter.accepting.request_body import BodyLimit, WithoutBody  # noqa: E402
from counter.accepting.token_guard import TokenGuard  # noqa: E402
from counter.api.views.accept import callbacks  # noqa: E402
from counter.sinks.factory import async_sinks  # noqa: E402
from project.checking import check_settings  # noqa: E402
from project.telemetry import traces  # noqa: E402
from project.workers import Workers  # noqa: E402

NEW_OBJECTS = 100_000
"""Between two collections of the young: some megabytes."""

BATCHES_UNDER_WAY = 2
"""While the server is at one, the next is made ready."""

BACKLOG = 2048
"""Connections that wait in the system until a worker takes them."""

DRAIN_SECONDS = 15
"""For the answers of all that is under way, when a worker is to stop."""


def main() -> None:
    """Run the workers until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tally web")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--host", default=settings.BIND_HOST)
    parser.add_argument("--port", type=int, default=settings.PORT)
    options = parser.parse_args()
    check_settings()
    listeners = listen(options.host, options.port)
    spare_the_collector()
    Workers(options.workers, partial(work, listeners)).run()


def listen(host: str, port: int) -> list[socket.socket]:
    """The sockets that all workers share: what one of them leaves, as it dies, another one takes."""
    try:
        return [_listen(address, port) for address in _addresses(host)]
    except OSError as error:
        sys.exit(f"can't listen on {host}, port {port}: {error}")


def _addresses(host: str) -> list[str]:
    """One; of this machine alone, the one of IPv6, too, where it has any."""
    if host != "localhost":
        return [host]
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=BACKLOG)


def spare_the_collector() -> None:
    """Let Python's garbage collector look at fewer things, less often: a call makes no cycles.

    What is loaded by now stays for good, and is shared by all workers; and with hundreds of calls under way
    the default, after 700 new objects, would have it walk over all of them again and again: a sixth of a
    worker's time (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


def work(listeners: list[socket.socket]) -> None:
    """Be a worker until SIGTERM."""
    end_traces = traces.set_up("web")  # before Django's handler is made, for it adds a middleware
    from project.asgi import application  # noqa: PLC0415

    config = uvicorn.Config(
        Web(application, end_traces).serve,
        http=AcceptProtocol,
        loop="uvloop",
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    uvicorn.Server(config).run(listeners)


class Web:
    """The application of one worker: batches, Django's requests, and the worker's life."""

    def __init__(self, django_app: App, end_traces: Callable[[], None]) -> None:
        self._end_traces = end_traces
        self._sink, part_sinks = async_sinks(BATCHES_UNDER_WAY)
        crowd = Crowd(django_app)
        self._batches = BatchPath(BodyLimit(crowd), part_sinks)
        self._app: App = self._batches
        if tokens := caller_tokens():
            self._app = TokenGuard(self._batches, refuse=WithoutBody(crowd), tokens=tokens)
        self._front = Front(self._sink, Connections(), tokens)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request that is not the hot path's, or the one lifespan."""
        if scope["type"] == "lifespan":
            scope["state"][FRONT] = self._front
            await self._live(receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the server's start to its stop, which answers all calls that are under way."""
        await receive()
        await self._sink.start()
        self._front.connections.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._sink.stop()
        self._front.connections.stop()
        await self._batches.stop()
        await asyncio.to_thread(callbacks().stop)
        await asyncio.to_thread(self._end_traces)
        await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    main()
