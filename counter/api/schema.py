"""What the OpenAPI schema says of each call, beside what the code itself tells."""

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

from counter.accepting import accept_call, batch_call, problem
from counter.api.queries import MINUTE, IdsQuery, MinuteField, PendingQuery, PublishedQuery
from counter.api.serializers import (
    INTEGER_ID,
    TEXT_ID,
    HealthBody,
    PendingDetail,
    PendingPage,
    ProblemBody,
    PublishedBody,
    PublishedPage,
    ReceiptBody,
)

PROBLEMS = {
    400: f"The request is wrong: `errors` says where, of a batch at most {batch_call.MAX_ERRORS} places.",
    401: "No token, or a wrong one.",
    403: "The session's user is not staff.",
    404: "There is no such minute here.",
    406: "The answer is to be neither JSON nor anything.",
    413: f"The body has more than {batch_call.MAX_BODY} bytes.",
    415: "The body is of another type, or has a Content-Encoding.",
    503: "Redis is away or out of memory, or in event mode Kafka. Try again after `Retry-After` seconds.",
}
_TEXT = TEXT_ID | {"pattern": r"^[^\s\x00-\x1f\x7f-\x9f]+$"}
_COUNTER = {"type": "string", "enum": list(settings.COUNTERS)}
_HAS_COUNTERS = bool(settings.COUNTERS)


def _batch(id: dict[str, Any], counter: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": counter
        | {"ids": {"type": "array", "items": id, "minItems": 1, "maxItems": batch_call.MAX_CALL_IDS}},
        "required": [*counter, "ids"],
        "additionalProperties": False,
    }


_BATCH = _batch(INTEGER_ID, {})
if _HAS_COUNTERS:
    _BATCH = {"oneOf": [_BATCH, _batch(_TEXT, {"counter": _COUNTER})]}
_LINE = r"[ \t\r]*-?(0|[1-9][0-9]{0,17})[ \t\r]*"
_LINES = {"type": "string", "pattern": rf"^{_LINE}(\n{_LINE})*\n?$"}
MINUTE_EXAMPLE = "202611230801"
PENDING_EXAMPLE = {
    "minute": MINUTE_EXAMPLE,
    "state": "open",
    "unique": 3,
    "total": 5,
    "age_seconds": 41.7,
}
PUBLISHED_EXAMPLE = {
    "minute": MINUTE_EXAMPLE,
    "unique": 3,
    "total": 5,
    "published_at": "2026-11-23T08:02:00.574Z",
    "lag_seconds": 0.574,
    "partition": 0,
    "offset": 481,
    "attempts": 1,
}


ACCEPT_OPERATIONS = {"get": "accept", "post": "accept_by_post"}
"""Of one view, whose methods are the same"""


class AcceptTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """ACCEPT_TOKEN, where it is set."""

    target_class = "counter.api.auth.AcceptToken"
    name = "acceptToken"

    @override
    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "ACCEPT_TOKEN, where it is set"}


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook: what it can't be told beforehand."""
    result["paths"][batch_call.PATH]["post"]["requestBody"]["required"] = True
    for method, name in ACCEPT_OPERATIONS.items():
        operation = result["paths"][accept_call.PATH][method]
        operation["operationId"] = name
        [called] = operation["callbacks"].values()
        operation["callbacks"] = {f"{name}_counted": called}
    for path in result["paths"].values():
        for operation in path.values():
            operation.setdefault("security", [])  # for everybody
            for callback in operation.get("callbacks", {}).values():
                for called in (each for at in callback.values() for each in at.values()):
                    called.setdefault("security", [])
    return result


def _problems(*statuses: int) -> dict[Any, Any]:
    return {
        (status, problem.CONTENT_TYPE): OpenApiResponse(
            ProblemBody,
            PROBLEMS[status],
            [OpenApiExample(str(status), problem.Problem(status, PROBLEMS[status]).members)],
        )
        for status in statuses
    }


def _text(**descriptions: str) -> dict[Any, Any]:
    return {
        (int(status.removeprefix("http_")), "text/plain"): OpenApiResponse(str, description)
        for status, description in descriptions.items()
    }


def _page(name: str, example: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, {"next": None, "results": [example]}, response_only=True)


def _counter(description: str) -> list[OpenApiParameter]:
    """None where there are no named counters."""
    return [OpenApiParameter("counter", _COUNTER, description=description)] if _HAS_COUNTERS else []


_in_path = OpenApiParameter(
    "minute", {"type": "string", "pattern": f"^{MINUTE}$"}, OpenApiParameter.PATH, description="in UTC"
)
_reading_problems = _problems(400, 401, 403, 406)

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
            {"oneOf": [INTEGER_ID, _TEXT]} if _HAS_COUNTERS else INTEGER_ID,
            required=True,
            description="what is deduplicated: an integer, of which `007` and `+7` are 7; "
            "for a named counter a text, which stays as it is",
        ),
        *_counter("one of COUNTERS; without it, the default counter"),
        OpenApiParameter(
            "endpoint",
            {"type": "string", "pattern": f"^{accept_call.ENDPOINT}$", "maxLength": accept_call.MAX_ENDPOINT},
            description="is told `{minute, unique}` afterwards by a POST, if its host is allowed",
        ),
    ],
    responses=_text(
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
        [OpenApiExample("503", batch_call.Receipt(accepted=1, refused=[43, 42]).cut_short.members)],
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
    parameters=_counter("of an NDJSON body; in JSON it is in the body"),
    request={
        batch_call.JSON: OpenApiRequest(_BATCH),
        batch_call.NDJSON: OpenApiRequest(_LINES),
    },
    responses={200: ReceiptBody, **_problems(400, 401, 406, 413, 415), **_cut_short},
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

pending_minutes = extend_schema(
    summary="Minutes that wait in Redis",
    tags=["reading"],
    operation_id="pending_minutes",
    parameters=[PendingQuery],
    responses={200: PendingPage, **_reading_problems, **_problems(503)},
    examples=[_page("one minute", PENDING_EXAMPLE)],
)
pending_minute = extend_schema(
    summary="One of them with its ids",
    tags=["reading"],
    operation_id="pending_minute",
    parameters=[_in_path, IdsQuery],
    responses={200: PendingDetail, **_reading_problems, **_problems(404, 503)},
    examples=[
        OpenApiExample(
            "with two of its ids",
            PENDING_EXAMPLE
            | {
                "next": "http://localhost:8000/api/v1/minutes/202611230801/?limit=2&cursor=2",
                "ids": [{"id": 42, "count": 2}, {"id": 43, "count": 1}],
            },
            response_only=True,
        )
    ],
)
published_minutes = extend_schema(
    summary="Minutes that are in Kafka",
    tags=["reading"],
    operation_id="published_minutes",
    parameters=[PublishedQuery],
    responses={200: PublishedPage, 304: None, **_reading_problems},
    examples=[_page("one minute", PUBLISHED_EXAMPLE)],
)
published_minute = extend_schema(
    summary="One of them",
    tags=["reading"],
    operation_id="published_minute",
    parameters=[_in_path],
    responses={200: PublishedBody, 304: None, **_reading_problems, **_problems(404)},
    examples=[OpenApiExample("one minute", PUBLISHED_EXAMPLE, response_only=True)],
)

alive = extend_schema(
    summary="Alive", tags=["operating"], operation_id="alive", auth=[], responses={200: HealthBody}
)
ready = extend_schema(
    summary="Able to accept",
    tags=["operating"],
    operation_id="ready",
    auth=[],
    responses={200: HealthBody, 503: OpenApiResponse(HealthBody, "calls can't be accepted")},
)
metrics = extend_schema(
    summary="What Tally counts of itself",
    tags=["operating"],
    operation_id="metrics",
    auth=[],
    responses=_text(http_200="in Prometheus's text format"),
)
