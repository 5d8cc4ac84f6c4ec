"""ACCEPT_SINK: where accepted calls go."""

from django.conf import settings

REDIS, KAFKA = SINKS = ("redis", "kafka")


def is_event_mode() -> bool:
    """Whether a call is accepted as an event in Kafka, and counted downstream."""
    return bool(settings.ACCEPT_SINK == KAFKA)
