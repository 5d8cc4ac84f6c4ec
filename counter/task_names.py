"""The tasks that are sent by name, and the queues they go to.

The domain knows nothing of the tasks, and whoever sends one needs nothing else of them. The names are older
than the modules that the tasks are in, and stay: a message may wait in a queue while Tally is upgraded.
"""

from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

FLUSH = "tasks.flush.flush_closed_minutes"
HISTORY = "tasks.publishing.history.follow_topic"
FLUSH_QUEUE = "tally.flush"
MARK = "tasks.markers.mark_minute"
AUDIT = "tasks.events.audit_task.audit_minute"
CALLBACK = "tasks.callbacks.call_endpoint"
CALLBACK_QUEUES = tuple(f"tally.callbacks.{number}" for number in range(16))
"""Each for some hosts. Workers take from them in turn, so that a host with many calls delays few others."""
OLD_CALLBACK_QUEUE = "tally.callbacks"
"""The one that a version before filled; workers empty it after an upgrade."""


def host_of(endpoint: str) -> str:
    """All of the url that may be shown: path and query of many a webhook are its password."""
    return urlsplit(endpoint).netloc.rpartition("@")[2]


def callback_queue(endpoint: str) -> str:
    """The one of the endpoint's host."""
    host = host_of(endpoint).lower()
    return CALLBACK_QUEUES[crc32(host.encode()) % len(CALLBACK_QUEUES)]


def route(name: str, args: Any = (), *rest: Any, **options: Any) -> dict[str, str] | None:
    """Where Celery sends a task, also one that is tried again; None to have it look further."""
    return {"queue": callback_queue(args[0])} if name == CALLBACK else None
