"""Traces, by the standard OTEL_* variables: from beat's tick to Kafka, and from a call to Redis.

Off unless OTEL_TRACES_EXPORTER or an OTEL_EXPORTER_OTLP_*ENDPOINT is set: then nothing of OpenTelemetry's
tracing is imported, and there are no spans (counter/telemetry/tracing.py). OpenTelemetry itself reads
exporter, sampler, limits and resource from the environment.
"""

import os
from collections.abc import Callable

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER, DISABLED = "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"


def set_up(process: str) -> Callable[[], None]:
    """Trace this process, if the environment asks for it; call it once, and after any fork.

    Returns what ends that, and sends the spans that wait.
    """
    if not is_asked_for():
        return lambda: None
    from project.telemetry.otel import start  # noqa: PLC0415  (it costs memory and time)

    return start(process, os.environ.get(EXPORTER, "otlp"))


def is_asked_for() -> bool:
    """Whether the environment wants traces."""
    if os.environ.get(DISABLED, "").lower() == "true" or os.environ.get(EXPORTER) == "none":
        return False
    return any(os.environ.get(name) for name in (EXPORTER, *ENDPOINTS))
