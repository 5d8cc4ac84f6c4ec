"""System checks of what a connection is protected with: nothing is silently left out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
FILES = ("SSL_CA", "SSL_CERT", "SSL_KEY")
SASL = ("SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD")


@register()
def check_redis_tls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E021: what protects the connection to Redis is incomplete, or would not be used."""
    is_used = any(url.startswith("rediss") for url in (settings.REDIS_URL, settings.CELERY_BROKER_URL))
    problems = _problems_of_files("REDIS", is_used, "a REDIS_URL that begins with rediss")
    return [Error(problem, hint=hint, id="tally.E021") for problem, hint in problems]


@register()
def check_kafka_security(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E022: what protects the connection to Kafka is incomplete, or would not be used."""
    return [Error(problem, hint=hint, id="tally.E022") for problem, hint in _problems_of_kafka()]


def _problems_of_kafka() -> Iterator[tuple[str, str]]:
    protocol, mechanism = settings.KAFKA_SECURITY_PROTOCOL, settings.KAFKA_SASL_MECHANISM
    if protocol not in PROTOCOLS:
        yield f"KAFKA_SECURITY_PROTOCOL is {protocol!r}.", f"One of {', '.join(PROTOCOLS)}."
        return
    yield from _problems_of_files("KAFKA", protocol.endswith("SSL"), "a KAFKA_SECURITY_PROTOCOL with SSL")
    is_sasl = protocol.startswith("SASL")
    for name in (f"KAFKA_{each}" for each in SASL):
        if bool(getattr(settings, name)) != is_sasl:
            yield (
                f"KAFKA_SECURITY_PROTOCOL is {protocol}, and {name} is {'not ' if is_sasl else ''}set.",
                "Mechanism, user and password go with SASL_SSL and SASL_PLAINTEXT, and with them alone.",
            )
    if is_sasl and mechanism and mechanism not in MECHANISMS:
        yield f"KAFKA_SASL_MECHANISM is {mechanism!r}.", f"One of {', '.join(MECHANISMS)}."


def _problems_of_files(server: str, is_used: bool, use: str) -> Iterator[tuple[str, str]]:
    paths = {name: getattr(settings, name) for name in (f"{server}_{each}" for each in FILES)}
    for name, path in paths.items():
        if path and not is_used:
            yield f"{name} is set, but the connection is not encrypted.", f"It goes with {use}."
        elif path and not _is_readable(path):
            yield f"{name} is {path!r}, which can't be read.", "The path of a file in PEM."
    if bool(paths[f"{server}_SSL_CERT"]) != bool(paths[f"{server}_SSL_KEY"]):
        yield f"Of {server}_SSL_CERT and {server}_SSL_KEY only one is set.", "Set both, or none."


def _is_readable(path: str) -> bool:
    try:
        with Path(path).open("rb"):
            return True
    except OSError:
        return False
