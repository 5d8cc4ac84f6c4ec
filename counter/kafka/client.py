"""What every client of Kafka is told, and what it complains about."""

import os
import socket
from typing import Any

from confluent_kafka import KafkaError
from django.conf import settings

REQUESTS = "requests"
"""The topic of event mode: one record for every accepted call."""

_REFUSALS = (KafkaError._SSL, KafkaError._AUTHENTICATION)


def prefixed(name: str) -> str:
    """What a topic, a consumer group or a transactional id of this system is called in Kafka."""
    return f"{settings.KAFKA_TOPIC_PREFIX}{name}"


def client_config() -> dict[str, Any]:
    """The configuration that every client of Kafka shares.

    Use an AdminClient that lives for a while in a `with` block. It may else end in a thread of its own, which
    answers a call at that moment: then librdkafka aborts the process (confluent-kafka-python#2131).
    """
    known = {
        "security.protocol": settings.KAFKA_SECURITY_PROTOCOL,
        "sasl.mechanism": settings.KAFKA_SASL_MECHANISM,
        "sasl.username": settings.KAFKA_SASL_USERNAME,
        "sasl.password": settings.KAFKA_SASL_PASSWORD,
        "ssl.ca.location": settings.KAFKA_SSL_CA,
        "ssl.certificate.location": settings.KAFKA_SSL_CERT,
        "ssl.key.location": settings.KAFKA_SSL_KEY,
    }
    return {
        "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
        "client.id": f"tally-{socket.gethostname()}-{os.getpid()}",
        "client.rack": settings.KAFKA_CLIENT_RACK,
        # What matters comes as an exception; the rest is a line for every failed attempt to connect.
        "log_level": 2,
    } | {name: value for name, value in known.items() if value}


def is_fatal(error: object) -> bool:
    """Whether nothing goes through a producer any more that has reported this, or raised it."""
    return isinstance(error, KafkaError) and (error.fatal() or error.code() == KafkaError._FATAL)


class LastError:
    """Why a broker and its client refuse each other, where exceptions only say that nobody answers.

    Give it to the client as its `error_cb`, and poll the client before asking.
    """

    def __init__(self) -> None:
        self._reason = ""

    def __call__(self, error: KafkaError) -> None:
        """Called by the client."""
        if error.code() in _REFUSALS:
            self._reason = error.str()

    def explain(self, error: KafkaError) -> str:
        """What an exception of the same client says, and why."""
        reason, self._reason = self._reason, ""
        return f"{error.str()}: {reason}" if reason else error.str()
