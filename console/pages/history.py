"""The published history: to read, to search, to take along."""

import re
from typing import Any

from django.contrib.admin import display
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from typing_extensions import override

from console.chosen import chosen
from console.odd_queries import ODD, without_query
from console.pages.audits import audit_view, part
from console.pages.calendar import CalendarQuerySet
from console.pages.charts import SPANS, Window, chart
from console.pages.export import lines
from console.pages.filters import RangeFilter, TrafficFilter, TroubleFilter
from console.pages.published import page, top_of_slice
from console.read_only import ReadOnlyAdmin
from console.times import clock
from counter.models import PublishedMinute
from tasks.errors import PublishingError

_POSITION = re.compile(r"([0-9]+):([0-9]*)")
MAX_NUMBER = 2**63 - 1


class PublishedMinuteAdmin(ReadOnlyAdmin):
    """The topic is the truth, and `tally rebuild_history` makes the rows again."""

    title = "Published minutes"
    date_hierarchy = "start"
    ordering = ("-start",)  # as the filters need it: one index for both
    list_display = ("start_utc", "unique_ids", "calls", "lag", "tries", "position", "published")
    list_filter = (RangeFilter, TrafficFilter, TroubleFilter)
    list_per_page = 60  # an hour
    search_fields = ("minute",)
    search_help_text = (
        "A minute or how it begins (202611230801, 2026-11-23 08), an offset (1234),"
        " or partition:offset (0:1234)."
    )
    change_list_template = "console/history.html"
    change_form_template = "console/published.html"

    @override
    def get_queryset(self, request: HttpRequest) -> CalendarQuerySet:
        return CalendarQuerySet(PublishedMinute).filter(counter=chosen(request)).order_by("-start")

    @display(description="minute", ordering="start")
    def start_utc(self, row: PublishedMinute) -> str:
        """As people write it."""
        return f"{row.start:%Y-%m-%d %H:%M}"

    @display(description="unique", ordering="unique")
    def unique_ids(self, row: PublishedMinute) -> str:
        """The number of distinct ids, with separators: 1,234."""
        return f"{row.unique:,}"

    @display(description="total", ordering="total")
    def calls(self, row: PublishedMinute) -> str:
        """The number of accepted calls, with separators: 1,234."""
        return f"{row.total:,}"

    @display(description="published at", ordering="published_at")
    def published(self, row: PublishedMinute) -> str:
        """When the minute was published, in UTC; without the date where that is today."""
        return clock(row.published_at)

    @display(description="lag", ordering="lag_seconds")
    def lag(self, row: PublishedMinute) -> str:
        """Seconds from the minute's end until it was published, with the unit."""
        return f"{row.lag_seconds:,.1f} s"

    @display(description="attempts", ordering="attempts")
    def tries(self, row: PublishedMinute) -> str:
        """Where they are known."""
        return str(row.attempts or "not known")

    @display(description="position", ordering="offset")
    def position(self, row: PublishedMinute) -> str:
        """Where its record is."""
        return f"{row.partition}:{row.offset}"

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PublishedMinute], search_term: str
    ) -> tuple[QuerySet[PublishedMinute], bool]:
        return queryset.filter(_matching(search_term.strip())), False

    @override
    def get_urls(self) -> list[URLPattern]:
        """The charts' data and the export, besides Django's."""
        wrap = self.admin_site.admin_view
        return [
            path("charts/<int:since>-<int:until>/", wrap(self.range_view), name="charts_range"),
            path("charts/<str:span>/", wrap(self.chart_view), name="charts"),
            path("export/", wrap(self.export_view), name="export"),
            path("<path:key>/audit/", wrap(self.audit_view), name="published_audit"),
            path("<path:key>/ids/", wrap(self.ids_view), name="published_ids"),
            *super().get_urls(),
        ]

    def chart_view(self, request: HttpRequest, span: str) -> JsonResponse:
        """What the charts of a span draw."""
        self._check(request)
        if span not in SPANS:
            raise Http404
        return JsonResponse(chart(Window.last(*SPANS[span]), chosen(request)))

    def range_view(self, request: HttpRequest, since: int, until: int) -> JsonResponse:
        """The same from one Unix time to another."""
        self._check(request)
        try:
            window = Window.between(since, until)
        except ValueError as error:
            raise Http404 from error
        return JsonResponse(chart(window, chosen(request)))

    @override
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One published minute; `id` looks one up, which the page reads back from Kafka."""
        self._check(request)
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        row = self._row(object_id)
        context = self.admin_site.each_context(request) | page(row, request.GET)
        if context["has_events"]:
            context |= part(request, row)
        return render(request, "console/published.html", context)

    def audit_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """Its audit: how far it is, or a POST that asks for it."""
        self._check(request)
        return audit_view(request, self._row(key))

    def ids_view(self, request: HttpRequest, key: str) -> JsonResponse:
        """The most frequent ids of one slice of the minute, as JSON; ids as text, for JavaScript's sake."""
        self._check(request)
        try:
            return JsonResponse(top_of_slice(self._row(key), request.GET))
        except PublishingError as error:
            return JsonResponse({"problem": str(error)}, status=503)

    def _row(self, key: str) -> PublishedMinute:
        try:
            return PublishedMinute.objects.get(key=unquote(key))
        except PublishedMinute.DoesNotExist as error:
            raise Http404 from error

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """What the list shows with the same query, all pages of it, as CSV."""
        self._check(request)
        try:
            rows = self.get_changelist_instance(request).get_queryset(request)
        except ODD as error:
            return without_query(request, reverse("admin:counter_publishedminute_changelist"), error)
        return StreamingHttpResponse(
            lines(rows, chosen(request)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="published-minutes.csv"'},
        )

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


def _matching(text: str) -> Q:
    if not text:
        return Q()
    if position := _POSITION.fullmatch(text):
        partition, offset = position.groups()
        return _equals("partition", partition) & (_equals("offset", offset) if offset else Q())
    digits = re.sub(r"[-T: ]", "", text)
    if not digits.isdecimal():
        return Q(pk__in=())
    return Q(minute__startswith=digits) | _equals("offset", digits)


def _equals(field: str, number: str) -> Q:
    return Q(**{field: int(number)}) if int(number[:20]) <= MAX_NUMBER else Q(pk__in=())
