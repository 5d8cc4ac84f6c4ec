"""What the OpenAPI schema says of the calls that read minutes, beside what the code itself tells."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema

from counter.api.queries import MINUTE, IdsQuery, PendingQuery, PublishedQuery
from counter.api.schema.parts import MINUTE_EXAMPLE, page, problems
from counter.api.serializers import PendingDetail, PendingPage, PublishedBody, PublishedPage

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


in_path = OpenApiParameter(
    "minute", {"type": "string", "pattern": f"^{MINUTE}$"}, OpenApiParameter.PATH, description="in UTC"
)
reading_problems = problems(400, 401, 403, 406)


pending_minutes = extend_schema(
    summary="Minutes that wait in Redis",
    tags=["reading"],
    operation_id="pending_minutes",
    parameters=[PendingQuery],
    responses={200: PendingPage, **reading_problems, **problems(503)},
    examples=[page("one minute", PENDING_EXAMPLE)],
)
pending_minute = extend_schema(
    summary="One of them with its ids",
    tags=["reading"],
    operation_id="pending_minute",
    parameters=[in_path, IdsQuery],
    responses={200: PendingDetail, **reading_problems, **problems(404, 503)},
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
    responses={200: PublishedPage, 304: None, **reading_problems},
    examples=[page("one minute", PUBLISHED_EXAMPLE)],
)
published_minute = extend_schema(
    summary="One of them",
    tags=["reading"],
    operation_id="published_minute",
    parameters=[in_path],
    responses={200: PublishedBody, 304: None, **reading_problems, **problems(404)},
    examples=[OpenApiExample("one minute", PUBLISHED_EXAMPLE, response_only=True)],
)
