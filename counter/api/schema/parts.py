"""What several calls have in common in the OpenAPI schema."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from counter.accepting import problem
from counter.accepting.batches import batch_call
from counter.api.serializers import TEXT_ID, ProblemBody

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
TEXT = TEXT_ID | {"pattern": r"^[^\s\x00-\x1f\x7f-\x9f]+$"}
COUNTER = {"type": "string", "enum": list(settings.COUNTERS)}
HAS_COUNTERS = bool(settings.COUNTERS)


def problems(*statuses: int) -> dict[Any, Any]:
    """The responses with these statuses, each an RFC 9457 problem."""
    return {
        (status, problem.CONTENT_TYPE): OpenApiResponse(
            ProblemBody,
            PROBLEMS[status],
            [OpenApiExample(str(status), problem.Problem(status, PROBLEMS[status]).members)],
        )
        for status in statuses
    }


def text(**descriptions: str) -> dict[Any, Any]:
    """Responses of plain text: `http_<status>=` what it means."""
    return {
        (int(status.removeprefix("http_")), "text/plain"): OpenApiResponse(str, description)
        for status, description in descriptions.items()
    }


def page(name: str, example: dict[str, Any]) -> OpenApiExample:
    """A page that has this one result."""
    return OpenApiExample(name, {"next": None, "results": [example]}, response_only=True)


def counter(description: str) -> list[OpenApiParameter]:
    """The parameter, where there are named counters."""
    return [OpenApiParameter("counter", COUNTER, description=description)] if HAS_COUNTERS else []


MINUTE_EXAMPLE = "202611230801"
