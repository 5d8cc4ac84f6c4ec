"""What the OpenAPI schema says of the calls that count, beside what the code itself tells."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import (
    OpenApiCallback,
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers
from typing_extensions import override

from counter.accepting import accept_call, problem
from counter.accepting.batches import batch_call
from counter.accepting.receipt import Receipt
from counter.api.queries import MinuteField
from counter.api.schema.parts import (
    COUNTER,
    HAS_COUNTERS,
    MINUTE_EXAMPLE,
    PROBLEMS,
    TEXT,
    counter,
    problems,
    text,
)
from counter.api.serializers import INTEGER_ID, ProblemBody, ReceiptBody

ACCEPT_OPERATIONS = {"get": "accept", "post": "accept_by_post"}
"""Of one view, whose methods are the same"""


class AcceptTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """ACCEPT_TOKEN, where it is set."""

    target_class = "counter.api.auth.AcceptToken"
    name = "acceptToken"

    @override
    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "ACCEPT_TOKEN, where it is set"}


def _batch(id: dict[str, Any], counter: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": counter
        | {"ids": {"type": "array", "items": id, "minItems": 1, "maxItems": batch_call.MAX_CALL_IDS}},
        "required": [*counter, "ids"],
        "additionalProperties": False,
    }


_BATCH = _batch(INTEGER_ID, {})
if HAS_COUNTERS:
    _BATCH = {"oneOf": [_BATCH, _batch(TEXT, {"counter": COUNTER})]}
_LINE = r"[ \t\r]*-?(0|[1-9][0-9]{0,17})[ \t\r]*"
_LINES = {"type": "string", "pattern": rf"^{_LINE}(\n{_LINE})*\n?$"}


_callback = OpenApiCallback(
    "counted",
    "{$request.query.endpoint}",
    extend_schema(
        summary="Tell the count",
        request=inline_serializer(
            "Callback", {"minute": MinuteField(), "unique": serializers.IntegerField(min_value=0)}
        ),
        responses={"2XX": OpenApiResponse(description="it is done; after a 5xx it is tried again")},
    ),
)


accept = extend_schema(
    summary="Count one call",
    tags=["accepting"],
    request=None,
    parameters=[
        OpenApiParameter(
            "id",
            {"oneOf": [INTEGER_ID, TEXT]} if HAS_COUNTERS else INTEGER_ID,
            required=True,
            description="what is deduplicated: an integer, of which `007` and `+7` are 7; "
            "for a named counter a text, which stays as it is",
        ),
        *counter("one of COUNTERS; without it, the default counter"),
        OpenApiParameter(
            "endpoint",
            {"type": "string", "pattern": f"^{accept_call.ENDPOINT}$", "maxLength": accept_call.MAX_ENDPOINT},
            description="is told `{minute, unique}` afterwards by a POST, if its host is allowed",
        ),
    ],
    responses=text(
        http_200="`ok`: it is recorded",
        http_400="`failed`: there is no id, or a wrong one, an unknown counter or a wrong endpoint",
        http_401="`failed`: it needs ACCEPT_TOKEN",
        http_413="`failed`: it has a body, which is too large",
        http_431="`failed`: its request line and headers are too large",
        http_503="`failed`: it could not be recorded; try again after `Retry-After` seconds",
    ),
    callbacks=[_callback],
)

_cut_short = {
    (503, problem.CONTENT_TYPE): OpenApiResponse(
        ProblemBody,
        f"{PROBLEMS[503]} `refused` has the ids that are not counted.",
        [OpenApiExample("503", Receipt(accepted=1, refused=[43, 42]).cut_short.members)],
    )
}

batch = extend_schema(
    summary="Count a batch of calls",
    description=(
        "All of them, or none where one is wrong. In NDJSON there is one id a line; "
        "of a named counter a JSON string, or what is no JSON as it stands."
    ),
    tags=["accepting"],
    operation_id="accept_batch",
    parameters=counter("of an NDJSON body; in JSON it is in the body"),
    request={
        batch_call.JSON: OpenApiRequest(_BATCH),
        batch_call.NDJSON: OpenApiRequest(_LINES),
    },
    responses={200: ReceiptBody, **problems(400, 401, 406, 413, 415), **_cut_short},
    examples=[
        OpenApiExample("three calls", {"ids": [42, 43, 42]}, request_only=True, media_type=batch_call.JSON),
        *(
            OpenApiExample(
                f"two calls of {counter}",
                {"counter": counter, "ids": ["3f9a", "7c01"]},
                request_only=True,
                media_type=batch_call.JSON,
            )
            for counter in settings.COUNTERS[:1]
        ),
        OpenApiExample("three lines", "42\n43\n42\n", request_only=True, media_type=batch_call.NDJSON),
        OpenApiExample(
            "counted",
            {"minute": MINUTE_EXAMPLE, "accepted": 3, "unique": 2},
            response_only=True,
            status_codes=["200"],
        ),
    ],
)
