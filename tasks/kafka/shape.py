"""Shape: how the topics are set up in Kafka, and what of that breaks a promise.

`tasks/kafka/topics.py` makes them as they must be. But whoever subscribes first may have had them made with
the cluster's defaults, and anybody with the right may change them at any time.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain

import redis
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from django.conf import settings
from django.utils.functional import cached_property
from redis.exceptions import RedisError

from counter.kafka.client import REQUESTS, client_config, prefixed
from counter.mode import is_event_mode
from counter.monitoring.health import KAFKA_SECONDS
from counter.store.offsets import event_buckets
from counter.store.publishing_state import PublishingState
from tasks.errors import KafkaAway
from tasks.kafka.shape_rules import (
    RULES,
    TRANSACTION_LOG,
    Finding,
    Shape,
    has_the_brokers_time,
    is_not_compacted,
)
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS

ASK_SECONDS = 5.0
FRESH_SECONDS = 10.0


def look(admin: AdminClient, client: redis.Redis, seconds: float = ASK_SECONDS) -> list[Finding]:
    """What is wrong with the topics in use. Raises KafkaAway, after so many seconds, or RedisError."""
    return list(judge(describe_in_use(admin, client, seconds), PublishingState(client).kept_partitions()))


def describe_in_use(admin: AdminClient, client: redis.Redis, seconds: float) -> list[Shape | Finding]:
    """The topics in use, and Kafka's own for transactions; what there is to say where one can't be looked at.

    Raises KafkaAway, after so many seconds, or RedisError.
    """
    names = [UNIQUE_COUNTS, *([ID_COUNTS] if settings.PUBLISH_ID_COUNTS else [])]
    if is_event_mode() or event_buckets(client):
        names.append(REQUESTS)
    return list(_describe(admin, [*map(prefixed, names), TRANSACTION_LOG], seconds))


def judge(found: Iterable[Shape | Finding], kept: int) -> Iterator[Finding]:
    """What of that is wrong, where `unique-counts` may have `kept` partitions."""
    rules = {prefixed(name): of for name, of in RULES.items()} | {TRANSACTION_LOG: RULES[TRANSACTION_LOG]}
    for each in found:
        if isinstance(each, Finding):
            yield each
            continue
        if each.name == prefixed(UNIQUE_COUNTS) and each.partitions not in {1, kept}:
            yield Finding(
                f"{each.name} has {each.partitions} partitions instead of one. Only its first is written:"
                " make the topic anew, or say that its readers know: tally keep_partitions"
            )
        if each.config:
            for rule in rules[each.name]:
                yield from rule(each)


def why_uncountable(admin: AdminClient) -> str | None:
    """What keeps events from being counted in their minutes, or at all. Raises KafkaAway."""
    for found in _describe(admin, [prefixed(REQUESTS)], ASK_SECONDS):
        if isinstance(found, Shape) and found.config:
            for finding in chain(has_the_brokers_time(found), is_not_compacted(found)):
                return finding.text
    return None


class Watched:
    """The same for many who ask: Kafka is asked once in FRESH_SECONDS. For one thread."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._looked = -FRESH_SECONDS
        self._texts: list[str] = []

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(client_config())

    def texts(self) -> list[str]:
        """What is wrong; nothing where Kafka or Redis can't tell, which others say."""
        if time.monotonic() - self._looked > FRESH_SECONDS:
            with suppress(KafkaAway, RedisError):
                self._texts = [finding.text for finding in look(self._admin, self._client, KAFKA_SECONDS)]
                self._looked = time.monotonic()
        return self._texts


def _describe(admin: AdminClient, names: list[str], seconds: float) -> Iterator[Shape | Finding]:
    """Shape by shape, and what there is to say of those that can't be looked at. Raises KafkaAway."""
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    topics = admin.describe_topics(TopicCollection(names), request_timeout=seconds)
    configs = admin.describe_configs(resources, request_timeout=seconds)
    for name, resource in zip(names, resources, strict=True):
        try:
            partitions = topics[name].result().partitions
        except KafkaException as error:
            yield from _unseen(name, error.args[0])
            continue
        config: dict[str, str] = {}
        try:
            config = {entry.name: entry.value for entry in configs[resource].result().values()}
        except KafkaException as error:
            yield from _unseen(name, error.args[0])
        yield Shape(name, len(partitions), min(len(each.replicas) for each in partitions), config)


def _unseen(name: str, error: KafkaError) -> Iterator[Finding]:
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        yield Finding(
            f"{name} can't be looked at, whether it is set up as it must be: allow Describe and"
            " DescribeConfigs, as ops/kafka/acls.sh does",
            halts=False,
        )
    elif error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise KafkaAway(error.str())
    elif name != TRANSACTION_LOG:  # which the first transaction makes
        yield Finding(f"the topic {name} does not exist: run tally create_topics")
