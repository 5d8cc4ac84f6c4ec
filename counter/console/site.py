"""The admin site: Django's own, opening with the pending minutes."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

from counter.console import overview, panels
from counter.console.odd_queries import View, forgiving


class Console(AdminSite):
    """Its first page shows whether counts flow, what waits, and what to do; to those who may see it."""

    site_header = "Tally"
    site_title = "Tally"
    index_title = "Pending minutes"
    index_template = "console/index.html"
    site_url = None

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Every page but the log-in: for those who may see it, and whatever its query."""
        return super().admin_view(forgiving(view), cacheable)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Django's index to everyone else."""
        context = dict(extra_context or {})
        if request.user.has_perm("counter.view_pendingminute"):
            context |= {"overview": overview.look(request.GET), "panels": panels.names()}
        return super().index(request, context)
