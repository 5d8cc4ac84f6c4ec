"""Pages of the admin that only show: what they list is made elsewhere."""

from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin, ShowFacets
from django.http import HttpRequest, HttpResponse
from typing_extensions import override


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[type-arg]  # Django has no generics when it runs
    """Nothing to add, to change or to delete, whoever asks."""

    title: ClassVar[str]
    """Of the list, where there is nothing to select"""

    show_facets = ShowFacets.NEVER
    show_full_result_count = False

    @override
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": self.title} | (extra_context or {}))

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
