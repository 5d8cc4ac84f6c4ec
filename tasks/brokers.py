"""What every client of Kafka is told, and what its errors mean."""

import os
import socket

from confluent_kafka import KafkaError, KafkaException
from django.conf import settings


class KafkaAway(Exception):
    """The brokers do not answer, or not in time: try again later."""


class StartOver(Exception):
    """The transaction is lost, or its outcome unknown: only a new producer and the topic can tell."""


class Fenced(Exception):
    """A newer producer has taken over. A normal event: it does the work."""


_FENCED = {
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}


def client_config() -> dict[str, str | int | float | bool]:
    """The configuration that every client of Kafka shares."""
    return {
        "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
        "client.id": f"tally-{socket.gethostname()}-{os.getpid()}",
        "client.rack": settings.KAFKA_CLIENT_RACK,
        # What matters comes as an exception; the rest is a line for every failed attempt to connect.
        "log_level": 2,
    }


def triage(exception: KafkaException) -> Exception | None:
    """What an error of a transactional call means: None says that the same call may be made again.

    The one place where this is decided, after the table in librdkafka's INTRODUCTION.md, "Transactional
    error handling". An error that is neither retriable nor abortable leaves the outcome unknown.
    """
    error: KafkaError = exception.args[0]
    if error.code() in _FENCED:
        return Fenced(error.str())
    if error.retriable():
        return None
    return StartOver(error.str())
