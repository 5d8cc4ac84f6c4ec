"""Callbacks: after an accept call with an `endpoint`, that url is told the minute's unique count."""

import asyncio
import json
import ssl
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx
import structlog
from celery import Task, shared_task
from celery.exceptions import Reject
from celery.signals import task_failure, task_revoked
from celery.utils.time import get_exponential_backoff_interval
from django.conf import settings
from redis.exceptions import RedisError

from counter.counters import DEFAULT
from counter.journal.failed_callbacks import MAX_REASON, FailedCallback, FailedCallbacks
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis.broker import broker
from counter.redis.clients import connect
from counter.store import keys
from counter.store.counts import CountStore
from counter.task_names import CALLBACK, host_of
from counter.telemetry import metrics
from counter.time_limit import AWAY, within
from tasks.callbacks.addresses import Refused, Resolver, Unresolved, checked_address, resolve
from tasks.callbacks.retries import make_room
from tasks.callbacks.signing import signed

logger = structlog.get_logger(__name__)

CALL_SECONDS = 10.0
"""From connecting to the head of the answer, however slowly it comes."""

STEP_SECONDS = 5.0
"""Connecting, and each wait for more of the answer; and the wait for the database."""

MAX_RETRIES = 5
BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 4, 120


class Unanswered(Exception):
    """The endpoint, or the count for it, could not be had: it may be better later."""


def post(endpoint: str, body: dict[str, object], resolver: Resolver = resolve) -> int:
    """POST the body once; the status of the answer, which is below 500.

    No redirect is followed, and nothing of the answer is read but its head. Raises Unanswered where another
    try may help, Refused where none may be made.
    """
    try:
        url = httpx.URL(endpoint)
        port = url.port or (443 if url.scheme == "https" else 80)
        address = checked_address(url.raw_host.decode(), port, resolver)
        status = asyncio.run(_post(url, address, body))
    except httpx.InvalidURL as error:
        raise Refused(str(error)) from error
    except (httpx.HTTPError, TimeoutError, Unresolved) as error:
        raise Unanswered(f"{type(error).__name__} {error}") from error
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unanswered(f"status {status}")
    return status


async def _post(url: httpx.URL, address: str, body: dict[str, object]) -> int:
    """To the address that was checked; the name stays in `Host` and in the certificate's check."""
    content = json.dumps(body).encode()
    headers = {
        "Host": url.netloc.decode(),
        "User-Agent": "Tally",
        "Content-Type": "application/json",
        **signed(content),
    }
    to_address = url.copy_with(host=address)
    names = {"sni_hostname": url.raw_host.decode()}
    limits = {"timeout": STEP_SECONDS, "trust_env": False, "follow_redirects": False, "verify": _trust()}
    async with asyncio.timeout(CALL_SECONDS), httpx.AsyncClient(**limits) as client:  # type: ignore[arg-type]
        request = client.build_request("POST", to_address, content=content, headers=headers, extensions=names)
        answer = await client.send(request, stream=True)
        await answer.aclose()
        return answer.status_code


@cache
def _trust() -> ssl.SSLContext:
    """Whose certificates are believed: loading them takes longer than all else that a call takes here."""
    return httpx.create_ssl_context(trust_env=False)


@shared_task(name=CALLBACK, bind=True, max_retries=MAX_RETRIES)
def call_endpoint(
    task: Task[[str, str, str], None], endpoint: str, minute: str, counter: str = DEFAULT
) -> None:
    """Tell `endpoint` how many unique ids the counter's minute has now. It may be told more than once."""
    try:
        unique = _unique(Minute.parse(minute), counter)
        status = post(endpoint, {"minute": minute, "unique": unique})
    except Refused as error:
        _give_up("refused", endpoint, minute, error, counter)
    except (Unanswered, RedisError, *AWAY) as error:
        if not (retry := _send_again(task, endpoint)):
            _give_up("failed", endpoint, minute, error, counter)
            return
        _log("retried", endpoint, minute, error)
        raise retry from error
    else:
        _log(f"{status // 100}xx", endpoint, minute, status)


def _send_again(task: Task[[str, str, str], None], endpoint: str) -> Exception | None:
    """What the task must raise now; None where it was tried often enough, or has no room to wait."""
    if task.request.retries == MAX_RETRIES:
        return None
    countdown = get_exponential_backoff_interval(
        BACKOFF_SECONDS, task.request.retries, MAX_BACKOFF_SECONDS, full_jitter=True
    )
    try:
        if not make_room(endpoint, str(task.request.id), countdown):
            return None
        return task.retry(countdown=countdown, throw=False)
    except (Reject, RedisError):
        return None


@task_revoked.connect(sender=call_endpoint)
def _expired(request: Any, **kwargs: Any) -> None:
    """It was too old when a worker got to it: too many waited, or one that had it was killed."""
    endpoint, minute, *counter = request.args
    _give_up("expired", endpoint, minute, "it is too late", *counter)


@task_failure.connect(sender=call_endpoint)
def _broken(args: Any, exception: Any, **kwargs: Any) -> None:
    """A bug."""
    endpoint, minute, *counter = args
    _give_up("failed", endpoint, minute, exception, *counter)


def _unique(minute: Minute, counter: str) -> int:
    """Of this moment, from Redis; once that is settled, the number that was published.

    Raises Unanswered where there is none: before an event is counted, and between the two, for a moment.
    """
    store = CountStore(connect(), keys.buckets(settings.REDIS_BUCKETS, counter))
    (stats,) = store.stats([minute])
    if stats.total:
        return stats.unique
    with within(STEP_SECONDS):
        row = PublishedMinute.objects.filter(counter=counter, minute=str(minute)).first()
    if not row:
        raise Unanswered("neither Redis nor the history has a count of the minute yet")
    return row.unique


def _give_up(outcome: str, endpoint: str, minute: str, why: object, counter: str = DEFAULT) -> None:
    _log(outcome, endpoint, minute, why)
    with suppress(RedisError):
        reason = str(why)[:MAX_REASON]
        FailedCallbacks(broker()).note(FailedCallback(endpoint, minute, outcome, reason, counter))


def _log(outcome: str, endpoint: str, minute: str, what: object) -> None:
    metrics.CALLBACKS.labels(outcome).inc()
    logger.info("callback", outcome=outcome, host=host_of(endpoint), minute=minute, answer=str(what))
