"""The bodies of requests and answers, for the schema and for writing them."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from typing_extensions import override

from counter.api.queries import MinuteField
from counter.ids import MAX_ID, MAX_LENGTH, MIN_ID, Id
from counter.models import PublishedMinute
from counter.store.pending import State
from counter.timestamp import seconds, timestamp

COUNTER = "its name; the default one has none"


class TimestampField(serializers.DateTimeField):
    """A moment in UTC with milliseconds: `2026-11-23T08:02:00.214Z`."""

    @override
    def to_representation(self, value: datetime) -> str:
        return timestamp(value)


class SecondsField(serializers.FloatField):
    """A length of time, with three decimals at most."""

    @override
    def to_representation(self, value: float) -> Any:  # a number, though the stubs of DRF say str
        return seconds(value)


@extend_schema_field({"type": "integer", "format": "int64", "minimum": 0})
class CountField(serializers.IntegerField):
    """How many there are, or which one it is: more than 32 bits may hold."""


INTEGER_ID = {"type": "integer", "format": "int64", "minimum": MIN_ID, "maximum": MAX_ID}
TEXT_ID = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}


@extend_schema_field({"oneOf": [INTEGER_ID, TEXT_ID]})
class IdField(serializers.Field[Id, Any, Id, Id]):
    """An integer, or a named counter's text."""

    @override
    def to_representation(self, value: Id) -> Id:
        return value


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
    accepted = CountField(required=False, help_text="503 of a batch: so many of its calls are counted")
    refused = serializers.ListField(
        child=IdField(),
        required=False,
        help_text="503 of a batch: the ids of the calls that are not, one for each; repeat these alone",
    )


class ReceiptBody(serializers.Serializer[Any]):
    """What became of a batch."""

    minute = MinuteField(help_text="in which it is counted; where it crossed the end of one, the last")
    accepted = CountField(help_text="calls")
    unique = CountField(
        allow_null=True,
        help_text="ids that are new in their minute; null in event mode, where they are counted later",
    )


class OfCounter(serializers.BaseSerializer[Any]):
    """What says whose it is: the default counter's is as if there were no others."""

    @override
    def to_representation(self, instance: Any) -> Any:
        body = super().to_representation(instance)
        if not body["counter"]:
            del body["counter"]
        return body


class PendingBody(OfCounter, serializers.Serializer[Any]):
    """A minute that waits in Redis."""

    counter = serializers.CharField(required=False, help_text=COUNTER)
    minute = MinuteField(help_text="yyyyMMddHHmm, in UTC")
    state = serializers.ChoiceField(
        [str(state) for state in State],
        help_text="open: it is counting; closed: it is over; publishing: nothing can change it any more",
    )
    unique = CountField(help_text="distinct ids")
    total = CountField(help_text="accepted calls")
    age_seconds = SecondsField(min_value=0, help_text="since the minute began")


class CountBody(serializers.Serializer[Any]):
    """An id of a minute."""

    id = IdField()
    count = CountField(help_text="accepted calls")


class PageBody(serializers.Serializer[Any]):
    """A part of a list."""

    next = serializers.URLField(allow_null=True, help_text="the part that follows; null at the end")


class PendingPage(PageBody):
    """Minutes that wait in Redis."""

    results = PendingBody(many=True)


class PendingDetail(PendingBody, PageBody):
    """A minute that waits in Redis, and a part of its ids, in order of arrival."""

    ids = CountBody(many=True)


class PublishedBody(OfCounter, serializers.ModelSerializer[PublishedMinute]):
    """A minute that is in Kafka."""

    counter = serializers.CharField(required=False, help_text=COUNTER)
    minute = MinuteField(help_text="yyyyMMddHHmm, in UTC")
    published_at = TimestampField()
    lag_seconds = SecondsField(help_text="from the minute's end to its record being made")

    class Meta:
        model = PublishedMinute
        fields = (
            "counter",
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
    since = TimestampField(help_text="when this process noticed")


class HealthBody(serializers.Serializer[Any]):
    """How this process is."""

    status = serializers.ChoiceField(
        ["ok", "degraded", "unavailable"], help_text="degraded: calls are accepted, publishing waits"
    )
    problems = OutageBody(many=True)
    version = serializers.CharField(help_text="of Tally")
