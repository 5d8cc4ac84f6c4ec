"""The page of the callbacks that failed: why, and a way to send them again."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from console.accounts.actions import log_action
from console.accounts.operators import is_operator
from console.panels.registry import AWAY
from console.times import clock
from counter.accepting.callback_queue import send_callback
from counter.journal.failed_callbacks import FailedCallback, FailedCallbacks
from counter.redis.broker import broker, quick_connection
from counter.task_names import host_of

PAGE = "admin:failed_callbacks"


def callbacks_view(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """The list; a POST with an `id`, or with `all`, sends again, for operators."""
    if request.method == "POST":
        if not is_operator(request):
            raise PermissionDenied
        _send(request)
        return redirect(PAGE)
    context: dict[str, Any] = site.each_context(request) | {"title": "Callbacks that failed"}
    try:
        context["rows"] = [_row(failed) for failed in FailedCallbacks(broker()).all()]
    except AWAY as error:
        context["problem"] = f"The broker does not answer: {error}"
    return render(request, "console/callbacks.html", context | {"may_send": is_operator(request)})


def _row(failed: FailedCallback) -> dict[str, Any]:
    return {
        "failed": failed,
        "host": host_of(failed.endpoint),
        "at": clock(datetime.fromtimestamp(failed.at, UTC)),
    }


def _send(request: HttpRequest) -> None:
    kept, id = FailedCallbacks(broker()), request.POST.get("id", "")
    try:
        wanted = [failed.id for failed in kept.all()] if "all" in request.POST else [id]
        sent = [failed for each in wanted if (failed := _send_one(kept, each))]
    except AWAY as error:
        messages.error(request, f"The callbacks could not be sent, the broker does not take them: {error}")
        return
    if not sent:
        messages.warning(
            request, "It is not in the list any more: somebody else has sent it, or newer ones came."
        )
        return
    what = "1 callback" if len(sent) == 1 else f"{len(sent)} callbacks"
    messages.success(request, f"{what} sent again. What fails again comes back here.")
    log_action(request, sent[0].minute, what, "Sent again what had failed.")


def _send_one(kept: FailedCallbacks, id: str) -> FailedCallback | None:
    """Take it out and send it; where the broker does not take it, it is put back."""
    failed = kept.take(id)
    if not failed:
        return None
    try:
        with quick_connection() as connection:
            send_callback(failed.endpoint, failed.minute, failed.counter, connection)
    except AWAY:
        kept.note(failed)
        raise
    return failed
