"""OpenTelemetry's SDK, and its instrumentation of Django, Celery and Redis; traces.py turns it on."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import structlog
from celery import current_app
from django.http import HttpRequest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Span, SpanKind
from typing_extensions import override

from counter.telemetry import tracing

logger = structlog.get_logger(__name__)

EXPORTERS: dict[str, Callable[[], SpanExporter]] = {"otlp": OTLPSpanExporter, "console": ConsoleSpanExporter}

CHUNKED = frozenset({"6b.id_counts", "6e.settle"})
"""Steps with several commands of Redis for every thousand ids: their own span says enough."""

UNTRACED = "/healthz$,/readyz$,/metrics$"
"""Asked every few seconds by machines."""

EXPORT_SECONDS = "3"
"""For a batch of spans; a collector that is away must not hold up the end of a process."""


def start(process: str, exporter: str) -> Callable[[], None]:
    """Trace this process as the service `tally-<process>`; returns what ends that, and sends what waits."""
    if exporter not in EXPORTERS:
        logger.error("OTEL_TRACES_EXPORTER is none of those there are, so nothing is traced", value=exporter)
        return lambda: None
    if "service.name=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        os.environ.setdefault("OTEL_SERVICE_NAME", f"tally-{process}")
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", EXPORT_SECONDS)
    provider = TracerProvider()
    provider.add_span_processor(_Batches(EXPORTERS[exporter]()))
    trace.set_tracer_provider(provider)
    # A task that is sent by its name alone would have a span without an end.
    current_app.loader.import_default_modules()
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
    RedisInstrumentor().instrument()
    if process == "web":
        urls = os.environ.get("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", UNTRACED)
        DjangoInstrumentor().instrument(request_hook=_without_query, excluded_urls=urls)
    tracing.current = _Spans()
    return provider.shutdown


class _Spans(tracing.Spans):
    """Tally's own, in the trace of the task or request that is under way."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("tally")

    @override
    def make(self, name: str, attributes: tracing.Attributes) -> AbstractContextManager[object]:
        span = self._tracer.start_as_current_span(name, attributes=attributes)
        return _alone(span) if name in CHUNKED else span

    @override
    def ids(self) -> dict[str, str]:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(context.trace_id),
            "span_id": trace.format_span_id(context.span_id),
        }


@contextmanager
def _alone(span: AbstractContextManager[Span]) -> Iterator[None]:
    with span, suppress_instrumentation():
        yield


class _Batches(BatchSpanProcessor):
    """Sent from a thread, without the commands of Redis that belong to nothing: beat's, every few seconds."""

    @override
    def on_end(self, span: ReadableSpan) -> None:
        if span.parent or span.kind is not SpanKind.CLIENT:
            super().on_end(span)


def _without_query(span: Span, request: HttpRequest) -> None:
    """It may hold anything, an endpoint with a password for one."""
    for name, value in dict(getattr(span, "attributes", None) or {}).items():
        if name in ("http.url", "http.target", "url.full"):
            span.set_attribute(name, value.partition("?")[0])
        elif name == "url.query":
            span.set_attribute(name, "")
