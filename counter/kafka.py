"""What every client of Kafka is told."""

from django.conf import settings

REQUESTS = "requests"
"""The topic of event mode: one record for every accepted call."""


def client_config() -> dict[str, str | int | float | bool]:
    """The configuration that every client of Kafka shares."""
    return {
        "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
        "client.id": "tally",
        # What matters comes as an exception; the rest is a line for every failed attempt to connect.
        "log_level": 2,
    }
