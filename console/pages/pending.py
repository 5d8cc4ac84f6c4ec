"""The pages of the pending minutes: an admin without a table behind it, read live from Redis."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from typing_extensions import override

from console.accounts.actions import log_action
from console.accounts.operators import is_operator
from console.chosen import chosen
from console.client import client
from console.headline import flushing, overview
from console.pages.callbacks import callbacks_view
from console.pages.measures import measures
from console.pages.search import search
from console.pages.top import top_of_slice
from console.panels import registry
from console.query import number
from counter.counters import qualified
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.store.pending import PendingMinutes

PAGE = 50
"""Ids on a page."""

View = Callable[..., HttpResponse]


class PendingMinuteAdmin(ModelAdmin):  # type: ignore[type-arg]  # Django has no generics when it runs
    """To see, and for operators to flush; there is nothing to add, change or delete."""

    @override
    def get_urls(self) -> list[URLPattern]:
        """The list is the admin's first page; these are the rest of it."""
        return [
            path("", self._view(self.list_view), name="counter_pendingminute_changelist"),
            path("live/", self._view(self.live_view), name="pending_live"),
            path("panels/<str:name>/", self._view(self.panel_view), name="panel"),
            path("measures/", self._view(self.measures_view), name="measures"),
            path("flush/", self._view(self.flush_view), name="flush"),
            path("callbacks/", self._view(self._callbacks), name="failed_callbacks"),
            path("<str:minute>/", self._view(self.minute_view), name="counter_pendingminute_change"),
            path("<str:minute>/live/", self._view(self.minute_live_view), name="minute_live"),
            path("<str:minute>/top/", self._view(self.top_view), name="minute_top"),
        ]

    def _view(self, view: View) -> View:
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return self.admin_site.admin_view(checked)

    def _callbacks(self, request: HttpRequest) -> HttpResponse:
        return callbacks_view(self.admin_site, request)

    def list_view(self, request: HttpRequest) -> HttpResponse:
        """The list is on the first page."""
        return redirect("admin:index")

    def live_view(self, request: HttpRequest) -> HttpResponse:
        """The part of the first page that changes all the time."""
        seen = overview.look(request.GET, chosen(request))
        return render(request, "console/overview.html", {"overview": seen})

    def panel_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """One health panel; may take seconds when its thing is away."""
        try:
            level, facts = registry.read(name)
        except KeyError as error:
            raise Http404 from error
        return render(request, "console/panel.html", {"name": name, "level": level, "facts": facts})

    def measures_view(self, request: HttpRequest) -> JsonResponse:
        """What the processes of this machine have counted of their calls."""
        return JsonResponse(measures())

    def flush_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a flush, note who did, and go to the first page, which follows it."""
        if request.method != "POST" or not is_operator(request):
            raise PermissionDenied
        try:
            minute = flushing.ask(client())
        except (OperationalError, RedisError) as error:
            messages.error(request, f"The flush could not be sent, the broker does not take it: {error}")
            return redirect("admin:index")
        log_action(request, str(minute), f"Flush up to {minute}", "Asked for a flush.")
        query = urlencode({"flush": str(minute), "at": int(time.time())})
        return redirect(f"{reverse('admin:index')}?{query}")

    def minute_view(self, request: HttpRequest, minute: str) -> HttpResponse:
        """One minute: its ids and counts, a page of them at a time; `id` looks one up."""
        return self._minute_page(request, minute, "console/minute.html")

    def minute_live_view(self, request: HttpRequest, minute: str) -> HttpResponse:
        """The part of that page that changes while the minute is open."""
        return self._minute_page(request, minute, "console/minute_live.html")

    def _minute_page(self, request: HttpRequest, text: str, template: str) -> HttpResponse:
        minute, counter = _minute(text), chosen(request)
        minutes = PendingMinutes(client(), counter)
        context = self.admin_site.each_context(request)
        context |= {"minute": minute, "key": quote(qualified(counter, text)), "title": f"Minute {minute}"}
        try:
            pending = minutes.get(minute)
            if not pending and template == "console/minute.html":
                return self._elsewhere(request, counter, minute)
            page = minutes.counts(minute, number(request.GET, "start") or 0, PAGE)
            context |= {"page": page, "row": pending and overview.Row(pending)}
            context["search"] = found = search(counter, request.GET.get("id", ""))
            if found.id is not None:
                context["count"] = minutes.count(minute, found.id)
        except RedisError as error:
            context |= {"verdict": overview.away(error)}
        return render(request, template, context)

    def _elsewhere(self, request: HttpRequest, counter: str, minute: Minute) -> HttpResponse:
        if row := PublishedMinute.objects.filter(counter=counter, minute=str(minute)).first():
            return redirect("admin:counter_publishedminute_change", quote(row.key))
        messages.info(request, f"Nothing waits for the minute {minute}: no call was accepted in it.")
        return redirect("admin:index")

    def top_view(self, request: HttpRequest, minute: str) -> HttpResponse:
        """The most frequent ids of one slice of the minute, as JSON; ids as text, for JavaScript's sake."""
        start = number(request.GET, "start") or 0
        try:
            slice = top_of_slice(PendingMinutes(client(), chosen(request)), _minute(minute), start)
        except RedisError:
            return JsonResponse({}, status=503)
        top = [(str(id), count) for id, count in slice.top]
        return JsonResponse({"top": top, "read": slice.read, "next": slice.next})


def _minute(text: str) -> Minute:
    try:
        return Minute.parse(text)
    except ValueError as error:
        raise Http404(str(error)) from error
