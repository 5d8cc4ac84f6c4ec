"""The bodies of requests and answers, for the schema and for writing them."""

from typing import Any

from rest_framework import serializers

from counter.api.queries import MinuteField
from counter.ids import MAX_ID, MIN_ID
from counter.models import PublishedMinute
from counter.store.pending import State


class Fault(serializers.Serializer[Any]):
    """One thing that is wrong, and where: in the body a JSON pointer, in the query a parameter."""

    detail = serializers.CharField()
    pointer = serializers.CharField(required=False)
    parameter = serializers.CharField(required=False)


class ProblemBody(serializers.Serializer[Any]):
    """An error, after RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="what the status means")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="what is wrong this time")
    errors = Fault(many=True, required=False)  # type: ignore[assignment]
    accepted = serializers.IntegerField(
        required=False, help_text="503 of a batch: so many of its ids, from the first on, are counted"
    )


class ReceiptBody(serializers.Serializer[Any]):
    """What became of a batch."""

    minute = MinuteField(help_text="in which it is counted; where it crossed the end of one, the last")
    accepted = serializers.IntegerField(min_value=1, help_text="calls")
    unique = serializers.IntegerField(
        min_value=0,
        allow_null=True,
        help_text="ids that are new in their minute; null in event mode, where they are counted later",
    )


class PendingBody(serializers.Serializer[Any]):
    """A minute that waits in Redis."""

    minute = MinuteField(help_text="yyyyMMddHHmm, in UTC")
    state = serializers.ChoiceField(
        [str(state) for state in State],
        help_text="open: it is counting; closed: it is over; publishing: nothing can change it any more",
    )
    unique = serializers.IntegerField(min_value=0, help_text="distinct ids")
    total = serializers.IntegerField(min_value=0, help_text="accepted calls")
    age_seconds = serializers.FloatField(min_value=0, help_text="since the minute began")


class CountBody(serializers.Serializer[Any]):
    """An id of a minute."""

    id = serializers.IntegerField(min_value=MIN_ID, max_value=MAX_ID)
    count = serializers.IntegerField(min_value=1, help_text="accepted calls")


class PageBody(serializers.Serializer[Any]):
    """A part of a list."""

    next = serializers.URLField(allow_null=True, help_text="the part that follows; null at the end")


class PendingPage(PageBody):
    """Minutes that wait in Redis."""

    results = PendingBody(many=True)


class PendingDetail(PendingBody, PageBody):
    """A minute that waits in Redis, and a part of its ids, in order of arrival."""

    ids = CountBody(many=True)


class PublishedBody(serializers.ModelSerializer[PublishedMinute]):
    """A minute that is in Kafka."""

    minute = MinuteField(help_text="yyyyMMddHHmm, in UTC")

    class Meta:
        model = PublishedMinute
        fields = (
            "minute",
            "unique",
            "total",
            "published_at",
            "lag_seconds",
            "partition",
            "offset",
            "attempts",
        )


class PublishedPage(PageBody):
    """Minutes that are in Kafka."""

    results = PublishedBody(many=True)


class OutageBody(serializers.Serializer[Any]):
    """Something that is down."""

    part = serializers.CharField()
    problem = serializers.CharField()
    since = serializers.DateTimeField(help_text="when this process noticed")


class HealthBody(serializers.Serializer[Any]):
    """How this process is."""

    status = serializers.ChoiceField(
        ["ok", "degraded", "unavailable"], help_text="degraded: calls are accepted, publishing waits"
    )
    problems = OutageBody(many=True)
