"""Reading: the minutes that wait in Redis, and those that are in Kafka."""

from functools import cache
from typing import Any

import redis
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from counter.api.auth import ReadingView
from counter.api.queries import NEWEST, TEXT, IdsQuery, OneQuery, PendingQuery, PublishedQuery, next_page
from counter.api.schema import reading
from counter.api.serializers import PendingBody, PublishedBody
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis.clients import connect_for_console
from counter.store.pending import PendingMinutes

DAY_SECONDS = 24 * 60 * 60


@cache
def _client() -> redis.Redis:
    """The one of this process."""
    return connect_for_console()


def reader(counter: str) -> PendingMinutes:
    """The pending minutes of a counter."""
    return PendingMinutes(_client(), counter)


@method_decorator(cache_control(no_store=True), "dispatch")
class PendingMinutesView(ReadingView):
    """`/api/v1/minutes/`: the minutes that wait in Redis."""

    @reading.pending_minutes
    def get(self, request: Request) -> Response:
        """The minutes that have data in Redis, oldest first."""
        query = PendingQuery.of(request)
        newest_first = query["ordering"] == NEWEST
        bounds = {name: query[name] for name in ("since", "until") if name in query}
        if "cursor" in query:
            bounds["until" if newest_first else "since"] = f"({query['cursor']}"
        limit = query["limit"]
        found = reader(query["counter"]).list(**bounds, limit=limit + 1, newest_first=newest_first)
        following = next_page(request, found[limit - 1].minute) if len(found) > limit else None
        return Response(
            {
                "next": following,
                "results": PendingBody(found[:limit], many=True).data,
            }
        )


@method_decorator(cache_control(no_store=True), "dispatch")
class PendingMinuteView(ReadingView):
    """`/api/v1/minutes/<minute>/`: one minute that waits, with its ids."""

    @reading.pending_minute
    def get(self, request: Request, minute: Minute) -> Response:
        """One of them, with its ids and counts in order of arrival.

        While it is open, counts grow between two pages and new ids come at the end. While it is published,
        its ids go away from the beginning.
        """
        query = IdsQuery.of(request)
        counter = query["counter"]
        minutes = reader(counter)
        if not (pending := minutes.get(minute)):
            raise NotFound(_why_not_pending(counter, minute))
        page = minutes.counts(minute, query["cursor"], query["limit"])
        following = next_page(request, page.next) if page.next is not None else None
        as_text = query["ids"] == TEXT
        ids = [{"id": str(id) if as_text else id, "count": count} for id, count in page.counts]
        return Response(PendingBody(pending).data | {"next": following, "ids": ids})


@method_decorator([cache_control(private=True, no_cache=True), conditional_page], "dispatch")
class PublishedMinutesView(ReadingView):
    """`/api/v1/published/`: the history of published minutes."""

    @reading.published_minutes
    def get(self, request: Request) -> Response:
        """The minutes that are in Kafka, newest first."""
        query = PublishedQuery.of(request)
        ordering, limit = query["ordering"], query["limit"]
        bounds = {"since": "minute__gte", "until": "minute__lte"}
        bounds["cursor"] = "minute__lt" if ordering == NEWEST else "minute__gt"
        wanted = {lookup: query[name] for name, lookup in bounds.items() if name in query}
        wanted["counter"] = query["counter"]
        found = list(PublishedMinute.objects.filter(**wanted).order_by(ordering)[: limit + 1])
        following = next_page(request, found[limit - 1].minute) if len(found) > limit else None
        return Response({"next": following, "results": PublishedBody(found[:limit], many=True).data})


@method_decorator(conditional_page, "dispatch")
class PublishedMinuteView(ReadingView):
    """`/api/v1/published/<minute>/`: one published minute."""

    @reading.published_minute
    def get(self, request: Request, minute: Minute) -> Response:
        """One of them. It never changes."""
        counter = OneQuery.of(request)["counter"]
        found = PublishedMinute.objects.filter(counter=counter, minute=str(minute)).first()
        if not found:
            raise NotFound(f"the minute {minute} is not in the history of published minutes")
        answer = Response(PublishedBody(found).data)
        patch_cache_control(answer, private=True, max_age=DAY_SECONDS)
        return answer


def _why_not_pending(counter: str, minute: Minute) -> str:
    if PublishedMinute.objects.filter(counter=counter, minute=str(minute)).exists():
        return f"the minute {minute} is published: its ids and counts are in the Kafka topic id-counts"
    return f"nothing is pending of the minute {minute}"


class MinuteConverter:
    """A minute in a path; one that is not in the calendar is no path."""

    regex = "[0-9]{12}"

    def to_python(self, value: str) -> Minute:
        """The minute in a path. Raises ValueError, of which Django makes 404."""
        return Minute.parse(value)

    def to_url(self, value: Any) -> str:
        """As it is written."""
        return str(value)
