"""API tokens: made, looked at, revoked. What a token is can be read once, on the page that has made it."""

from typing import Any

from django.contrib.admin import ModelAdmin, ShowFacets, display
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from typing_extensions import override

from console.times import clock
from counter.models import ApiToken


class ApiTokenAdmin(ModelAdmin):  # type: ignore[type-arg]  # Django has no generics when it runs
    """Nothing of a token can be changed."""

    fields = ("name", "scope", "user", "expires_at")
    list_display = ("name", "scope", "user", "created", "ends", "used")
    list_filter = ("scope", "user")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    show_facets = ShowFacets.NEVER

    @override
    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"user": request.user.pk}

    @override
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        only_save = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, only_save | (extra_context or {}))

    @override
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "API tokens"} | (extra_context or {}))

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        obj.make()
        super().save_model(request, obj, form, change)

    @override
    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        context = self.admin_site.each_context(request) | {"title": f"The token {obj}", "token": obj}
        return render(request, "console/token.html", context)

    @display(description="made", ordering="created_at")
    def created(self, token: ApiToken) -> str:
        """In UTC."""
        return clock(token.created_at)

    @display(description="ends", ordering="expires_at")
    def ends(self, token: ApiToken) -> str:
        """In UTC."""
        return clock(token.expires_at) if token.expires_at else "never"

    @display(description="last used", ordering="last_used_at")
    def used(self, token: ApiToken) -> str:
        """To the minute."""
        return clock(token.last_used_at) if token.last_used_at else "never"
