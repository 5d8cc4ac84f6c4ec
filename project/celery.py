"""Celery: the app, its queues, and the beat that hints at every minute's end.

A hint may be lost, doubled or late without harm: the flush drains every closed minute, whoever calls it.
"""

import os
from datetime import datetime
from typing import Any

from celery import Celery
from celery.concurrency.thread import TaskPool as Threads
from celery.signals import (
    beat_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)
from django.conf import settings
from django.utils.functional import cached_property
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu import Exchange, Queue
from typing_extensions import override

from counter.redis.sentinel import celery_options, is_sentinel
from counter.task_names import CALLBACK_QUEUES, FLUSH, FLUSH_QUEUE, OLD_CALLBACK_QUEUE
from project.checking import check_settings
from project.clock import RedisClock
from project.telemetry import logs, traces

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")


class Tally(Celery):
    """Celery, by Redis's clock: a host whose own is wrong sends nothing that is stale, or due another day."""

    @cached_property
    def _clock(self) -> RedisClock:
        return RedisClock()

    @override
    def now(self) -> datetime:
        """The time of what is sent from here, and of beat's schedule."""
        return self._clock.now()


app = Tally("tally")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Not discovered: that would pass over a module that is not there. They are imported when a worker starts.
app.conf.imports = (
    "tasks.audits.audit_task",
    "tasks.callbacks.webhook",
    "tasks.events.markers",
    "tasks.publishing.flush_task",
    "tasks.publishing.history",
)
app.set_default()  # in every thread of a web process, too
app.steps["worker"].add(DjangoStructLogInitStep)


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


app.conf.task_queues = tuple(map(_queue, (FLUSH_QUEUE, OLD_CALLBACK_QUEUE, *CALLBACK_QUEUES)))
app.conf.redbeat_redis_url = settings.CELERY_BROKER_URL
app.conf.redbeat_redis_options = settings.REDBEAT_REDIS_OPTIONS
if is_sentinel(settings.CELERY_BROKER_URL):
    for name, value in celery_options(settings.CELERY_BROKER_URL).items():
        known = app.conf.get(name)
        app.conf[name] = known | value if isinstance(known, dict) else value
app.conf.redbeat_lock_timeout = settings.REDBEAT_LOCK_SECONDS


@setup_logging.connect
def log_as_django_does(**kwargs: Any) -> None:
    """Keep Celery's hands off: one set-up for all processes."""
    logs.configure(settings.LOGGING)


@worker_init.connect
@beat_init.connect
def refuse_wrong_settings(**kwargs: Any) -> None:
    """Before anything is taken from a queue."""
    check_settings()


@beat_init.connect
def trace_beat(**kwargs: Any) -> None:
    """The trace of a flush begins with beat's tick."""
    traces.set_up("beat")


@worker_process_init.connect
def trace_worker(**kwargs: Any) -> None:
    """In each process that runs tasks: what sends spans does not survive a fork."""
    end = traces.set_up("worker")

    def end_traces(**kwargs: Any) -> None:
        end()

    worker_process_shutdown.connect(end_traces, weak=False)


@worker_ready.connect
def trace_threads(sender: Any, **kwargs: Any) -> None:
    """A worker whose tasks run in threads has no other process."""
    if isinstance(sender.pool, Threads):
        traces.set_up("worker")


@worker_ready.connect
def flush_at_start(**kwargs: Any) -> None:
    """What closed while no worker ran need not wait for the next tick."""
    app.send_task(FLUSH)


@worker_ready.connect
def tell_metrics(**kwargs: Any) -> None:
    """On METRICS_PORT, for Prometheus: what this worker's processes count."""
    # Not sooner: prometheus_client looks for its folder when it is imported, and the settings name it.
    from counter.monitoring.exposition import serve  # noqa: PLC0415

    serve()
