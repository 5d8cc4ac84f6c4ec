"""System checks of what the background work leans on; see counter/monitoring/checks.py."""

from collections.abc import Iterator, Sequence
from typing import Any

from confluent_kafka.admin import AdminClient
from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, Warning, register
from redis.exceptions import RedisError

from counter.kafka.client import client_config
from counter.redis.clients import connect
from tasks.errors import KafkaAway
from tasks.kafka.shape import look

HINT = "docs/operations.md, Kafka"
SECONDS = 2.0


@register(Tags.database)
def check_topics(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W002, W003: Kafka does not answer, or its topics are not as they must be.

    Part of `migrate` and `check --database default`; warnings, for it can be mended while Tally runs.
    """
    return list(_messages()) if databases else []


def _messages() -> Iterator[CheckMessage]:
    try:
        with AdminClient(client_config()) as admin:
            for finding in look(admin, connect(), SECONDS):
                yield Warning(finding.text, hint=HINT, id="tally.W003")
    except KafkaAway as error:
        yield Warning(f"Kafka does not answer: {error}", hint=HINT, id="tally.W002")
    except RedisError:
        return  # which is W001
