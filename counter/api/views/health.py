"""`/healthz`, `/readyz` and `/metrics`, for load balancers, orchestrators and Prometheus."""

from functools import cache

from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from counter.api.schema import operating
from counter.api.serializers import OutageBody
from counter.api.views.accept import AnyAccept
from counter.kafka.client import LastError, client_config
from counter.mode import KAFKA, REDIS
from counter.monitoring.exposition import scrape
from counter.monitoring.health import (
    Watch,
    added_probes,
    kafka_problems,
    publishing_problems,
    redis_problems,
    sink_problems,
)
from counter.redis.clients import connect_for_health
from counter.version import VERSION

ACCEPTING = "accepting"
"""What the sinks of this process itself say; another process may have other connections."""


@cache
def watch() -> Watch:
    """The one of this process."""
    client = connect_for_health()
    last_error = LastError()
    admin = AdminClient(client_config() | {"error_cb": last_error})
    return Watch(
        {
            REDIS: lambda: redis_problems(client),
            KAFKA: lambda: kafka_problems(admin, last_error),
            "publishing": lambda: publishing_problems(client),
            ACCEPTING: sink_problems,
        }
        | added_probes(client)
    )


class OperatingView(APIView):
    """What machines ask often and without a token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    content_negotiation_class = AnyAccept


class AliveView(OperatingView):
    """`/healthz`: whether this process is alive."""

    @operating.alive
    def get(self, request: Request) -> Response:
        """200 as long as this process answers at all."""
        return Response({"status": "ok", "problems": [], "version": VERSION})


class ReadyView(OperatingView):
    """`/readyz`: whether calls can be accepted, and what is down."""

    @operating.ready
    def get(self, request: Request) -> Response:
        """200 when calls can be accepted, else 503; with what is down, since when."""
        found = watch().look()
        unavailable = any(trouble.part in (settings.ACCEPT_SINK, ACCEPTING) for trouble in found)
        status = "unavailable" if unavailable else "degraded" if found else "ok"
        body = {"status": status, "problems": OutageBody(found, many=True).data, "version": VERSION}
        return Response(body, status=503 if unavailable else 200)


class MetricsView(OperatingView):
    """`/metrics`: Prometheus's text format."""

    @operating.metrics
    def get(self, request: Request) -> HttpResponse:
        """All that Tally counts of itself on this machine, and what waits in Redis."""
        return HttpResponse(scrape(), content_type=CONTENT_TYPE_LATEST)
