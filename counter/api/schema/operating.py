"""What the OpenAPI schema says of the calls that watch a process."""

from drf_spectacular.utils import OpenApiResponse, extend_schema

from counter.api.schema.parts import text
from counter.api.serializers import HealthBody

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
    responses=text(http_200="in Prometheus's text format"),
)
