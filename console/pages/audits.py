"""Count again: asking for the audit of a published minute, and following what becomes of it."""

import time
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from console.accounts.actions import log_action
from console.accounts.operators import is_operator
from console.level import Level
from counter.journal.audit_log import LOCK_SECONDS, AuditLog, AuditRun
from counter.models import PublishedMinute
from counter.redis.broker import broker, send
from counter.task_names import AUDIT

EXPIRES_SECONDS = 60
"""For a worker to begin: who has waited so long asks again."""


@dataclass(frozen=True, slots=True)
class State:
    """What the page says of a minute's audit."""

    level: Level
    text: str
    run: AuditRun | None = None
    is_under_way: bool = False


def ask(minute: str) -> str:
    """Send the task; what speaks against it, or nothing. Raises OperationalError or RedisError."""
    if other := AuditLog(broker()).under_way():
        return f"The minute {other} is being counted again: one at a time."
    send(AUDIT, minute, expires=EXPIRES_SECONDS)
    return ""


def state(minute: str) -> State | None:
    """How far it is, or what was found last; None where nobody asked. Raises RedisError."""
    run = AuditLog(broker()).get(minute)
    if not run:
        return None
    if run.state == "counting":
        if time.time() - run.at > LOCK_SECONDS:
            return State(Level.WARN, "Its worker says nothing any more. Ask again.")
        text = f"Counting again: {run.read:,} of about {run.events:,} events are read …"
        return State(Level.WARN, text, run, is_under_way=True)
    if run.state == "same":
        return State(Level.OK, f"Counted again from {run.read:,} events: no difference.", run)
    if run.state == "different":
        return State(Level.BAD, "Counted again, it is not the same as what was published.", run)
    return State(Level.WARN, f"It can't be told: {run.why}.", run)


def audit_view(request: HttpRequest, row: PublishedMinute) -> HttpResponse:
    """How far it is, as a part of the page; a POST asks for it, where the user may."""
    page = reverse("admin:counter_publishedminute_change", args=[quote(row.key)])
    if request.method != "POST":
        return render(request, "console/audit.html", part(request, row))
    if not is_operator(request):
        raise PermissionDenied
    try:
        if problem := ask(row.minute):
            messages.warning(request, problem)
        else:
            messages.success(request, "It is counted again as soon as a worker has time for it.")
            log_action(request, row.minute, f"Minute {row.minute}", "Had it counted again.")
    except (OperationalError, RedisError) as error:
        messages.error(request, f"It could not be asked for, the broker does not take it: {error}")
    return redirect(page)


def part(request: HttpRequest, row: PublishedMinute) -> dict[str, Any]:
    """What its template shows."""
    context = {"row": row, "may_audit": is_operator(request)}
    try:
        return context | {"audit": state(row.minute)}
    except RedisError as error:
        return context | {"problem": f"The broker does not answer: {error}"}
