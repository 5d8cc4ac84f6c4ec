"""The admin site: Django's own, opening with the pending minutes."""

from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from typing_extensions import override

from console.accounts.log_ins import Door
from console.chosen import chosen
from console.headline import overview
from console.odd_queries import View, forgiving
from console.panels import registry
from counter.counters import counters
from counter.version import VERSION


class Console(AdminSite):
    """Its first page shows whether counts flow, what waits, and what to do; to those who may see it."""

    site_header = "Tally"
    site_title = "Tally"
    index_title = "Pending minutes"
    index_template = "console/index.html"
    site_url = None
    _door = Door()

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Every page but the log-in: for those who may see it, and whatever its query."""
        return super().admin_view(forgiving(view), cacheable)

    async def login(  # type: ignore[override]  # Django runs either
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Those who send a password wait for it beside all other requests."""
        view = partial(super().login, request, extra_context)
        return await (self._door.answer(view) if request.method == "POST" else sync_to_async(view)())

    @override
    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        if self.has_permission(request):
            context |= {"counters": counters(), "counter": chosen(request), "version": VERSION}
        return context

    @override
    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        context = dict(extra_context or {})
        if request.user.has_perm("counter.view_pendingminute"):
            seen = overview.look(request.GET, chosen(request))
            context |= {"overview": seen, "panels": registry.names()}
        return super().index(request, context)
