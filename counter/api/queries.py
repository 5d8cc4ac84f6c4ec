"""What a reading call may ask for, checked: parameters that are unknown, repeated or wrong are errors."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from typing_extensions import override

from counter.counters import DEFAULT, counters
from counter.models import is_known
from counter.store.pending import MAX_PAGE

MINUTE = r"[1-9][0-9]{3}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])[0-5][0-9]"
PAGE = 100
OLDEST, NEWEST = "minute", "-minute"
NUMBER, TEXT = "number", "text"

_is_minute = re.compile(MINUTE).fullmatch


@extend_schema_field({"type": "string", "pattern": f"^{MINUTE}$", "examples": ["202611230801"]})
class MinuteField(serializers.CharField):
    """A minute as text, which sorts as time does; it need not be in the calendar to be compared."""

    @override
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not _is_minute(data):
            raise serializers.ValidationError("write a minute as yyyyMMddHHmm, in UTC")
        return data


@extend_schema_field({"type": "string", "enum": list(counters())})
class CounterField(serializers.CharField):
    """The name of a counter, empty for the default one. One that COUNTERS has lost may still have minutes."""

    @override
    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and is_known(data):
            return data
        raise serializers.ValidationError("no counter of COUNTERS has this name")


class Query(serializers.Serializer[Any]):
    """Parameters that every list has."""

    limit = serializers.IntegerField(
        default=PAGE, min_value=1, max_value=MAX_PAGE, help_text="how many at most"
    )
    counter = CounterField(
        default=DEFAULT, allow_blank=True, help_text="one of COUNTERS; without it, the default counter"
    )

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        """The valid parameters of the request. Raises ValidationError, for all that are not."""
        query = cls(data=request.query_params.dict())
        query.is_valid()
        errors = dict(query.errors)
        for name, values in request.query_params.lists():
            if name not in query.fields:
                errors[name] = ["unknown parameter"]
            elif len(values) > 1:
                errors[name] = ["repeated"]
        if errors:
            raise serializers.ValidationError(errors)
        return dict(query.validated_data)


class OneQuery(Query):
    """Parameters of one minute."""

    limit = None  # type: ignore[assignment]


class IdsQuery(Query):
    """Parameters of the ids of a minute."""

    cursor = serializers.IntegerField(
        default=0, min_value=0, max_value=2**53, help_text="where to go on, from `next`"
    )
    ids = serializers.ChoiceField(
        [NUMBER, TEXT],
        default=NUMBER,
        help_text="what integers come as; text is for readers whose numbers hold fewer than 64 bits",
    )


class MinutesQuery(Query):
    """Parameters of a list of minutes."""

    since = MinuteField(required=False, help_text="the first minute")
    until = MinuteField(required=False, help_text="the last minute")
    ordering = serializers.ChoiceField([OLDEST, NEWEST], help_text="oldest or newest first")
    cursor = MinuteField(required=False, help_text="where to go on, from `next`")


class PendingQuery(MinutesQuery):
    """Pending minutes come oldest first: that is the one that waits longest."""

    ordering = serializers.ChoiceField([OLDEST, NEWEST], default=OLDEST, help_text="oldest or newest first")


class PublishedQuery(MinutesQuery):
    """Published ones newest first: they are without end."""

    ordering = serializers.ChoiceField([OLDEST, NEWEST], default=NEWEST, help_text="oldest or newest first")


def next_page(request: Request, cursor: object) -> str:
    """The url of the page that follows."""
    return replace_query_param(request.build_absolute_uri(), "cursor", str(cursor))
