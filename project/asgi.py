"""The web application: the paths in front of Django, and their life from start to drain."""

import asyncio
import gc
import os
from typing import cast

import django
from django.core.asgi import get_asgi_application

from project import traces

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()
end_traces = traces.set_up("web")  # before Django's handler is made, for it adds a middleware
django_app = cast("App", get_asgi_application())

from django.conf import settings  # noqa: E402  (all of these need Django's settings)

from counter.accepting.asgi import App, Receive, Scope, Send  # noqa: E402
from counter.accepting.batch_path import BatchPath, PartSink  # noqa: E402
from counter.accepting.hot_path import HotPath  # noqa: E402
from counter.accepting.request_body import BodyLimit  # noqa: E402
from counter.accepting.token_guard import TokenGuard  # noqa: E402
from counter.api.views.accept import callbacks  # noqa: E402
from counter.ascii_query import AsciiQuery  # noqa: E402
from counter.mode import is_event_mode  # noqa: E402
from counter.sinks.kafka.async_producer import AsyncProducer  # noqa: E402
from counter.sinks.redis.async_writer import AsyncWriter  # noqa: E402
from counter.sinks.redis.connections import connect_async  # noqa: E402
from counter.sinks.redis.group_commit import GroupCommit  # noqa: E402
from counter.store import keys  # noqa: E402
from project.checking import check_settings  # noqa: E402

NEW_OBJECTS = 100_000
"""Between two collections of the young: some megabytes."""

BATCHES_UNDER_WAY = 2
"""While the server is at one, the next is made ready."""


def make_sinks() -> tuple[GroupCommit | AsyncProducer, list[PartSink]]:
    """Where single calls go, and where batches go."""
    if is_event_mode():
        appender = AsyncProducer()
        return appender, [appender] * BATCHES_UNDER_WAY
    buckets, batches = keys.buckets(settings.REDIS_BUCKETS), range(BATCHES_UNDER_WAY)
    return GroupCommit(connect_async), [
        AsyncWriter(connect_async(), buckets, keeps_replies=True) for _ in batches
    ]


check_settings()
sink, part_sinks = make_sinks()
limited = BodyLimit(AsciiQuery(django_app))
batches = BatchPath(limited, part_sinks)


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """All but the hot path: batches, Django's requests, and the one lifespan."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    else:
        await batches(scope, receive, send)


def spare_the_collector() -> None:
    """Let Python's garbage collector look at fewer things, less often: a call makes no cycles.

    What is loaded by now stays for good; and with hundreds of calls under way the default, after 700 new
    objects, would have it walk over all of them again and again: a sixth of a worker's time (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


async def live(receive: Receive, send: Send) -> None:
    """From the server's start to its stop, which answers all calls that are under way."""
    await receive()
    spare_the_collector()
    await sink.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await sink.stop()
    await batches.stop()
    await asyncio.to_thread(callbacks().stop)
    await asyncio.to_thread(end_traces)
    await send({"type": "lifespan.shutdown.complete"})


application: App = HotPath(serve, sink)
if settings.ACCEPT_TOKEN:
    application = TokenGuard(application, refuse=limited, token=settings.ACCEPT_TOKEN)
