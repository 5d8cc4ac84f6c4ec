"""The filters of the published history."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin import ListFilter, ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from typing_extensions import override

from console.headline.overview import OVERDUE_SECONDS
from counter.models import PublishedMinute

Minutes = QuerySet[PublishedMinute]


class TrafficFilter(SimpleListFilter):
    """Idle minutes are published too, and often in the way."""

    title = "traffic"
    parameter_name = "traffic"

    @override
    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [("some", "With calls"), ("none", "Idle")]

    @override
    def queryset(self, request: HttpRequest, queryset: Minutes) -> Minutes:
        return {"some": queryset.filter(total__gt=0), "none": queryset.filter(total=0)}.get(
            self.value() or "", queryset
        )


class TroubleFilter(SimpleListFilter):
    """The minutes that did not go as they should."""

    title = "trouble"
    parameter_name = "trouble"

    @override
    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [("late", f"More than {OVERDUE_SECONDS} s late"), ("repeated", "More than one attempt")]

    @override
    def queryset(self, request: HttpRequest, queryset: Minutes) -> Minutes:
        return {
            "late": queryset.filter(lag_seconds__gt=OVERDUE_SECONDS),
            "repeated": queryset.filter(attempts__gt=1),
        }.get(self.value() or "", queryset)


class RangeFilter(ListFilter):
    """Since one minute, until another, both in it."""

    title = "range"
    template = "console/range_filter.html"
    names = ("since", "until")

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: "ModelAdmin[Any]"
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.names:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    @override
    def has_output(self) -> bool:
        return True

    @override
    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    @override
    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """One: the form, which keeps what else is in the query."""
        kept = changelist.get_filters_params()
        yield {
            **{name: self.used_parameters.get(name, "") for name in self.names},
            "kept": [
                (name, value) for name, values in kept.items() for value in values if name not in self.names
            ],
        }

    @override
    def queryset(self, request: HttpRequest, queryset: Minutes) -> Minutes:
        """What the range leaves; an end that is no time is as good as none."""
        since, until = (_time(str(self.used_parameters.get(name, ""))) for name in self.names)
        if since:
            queryset = queryset.filter(start__gte=since)
        return queryset.filter(start__lte=until) if until else queryset


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
