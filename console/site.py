"""The admin site: Django's own, opening with the pending minutes."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

from console import overview
from console.panels import registry


class Console(AdminSite):
    """Its first page shows whether counts flow, what waits, and what to do; to those who may see it."""

    site_header = "Tally"
    site_title = "Tally"
    index_title = "Pending minutes"
    index_template = "console/index.html"
    site_url = None

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Django's index to everyone else."""
        context = dict(extra_context or {})
        if request.user.has_perm("counter.view_pendingminute"):
            context |= {"overview": overview.look(request.GET), "panels": registry.names()}
        return super().index(request, context)
