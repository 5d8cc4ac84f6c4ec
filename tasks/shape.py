"""Shape: how the topics are set up in Kafka, and what of that breaks a promise.

`tasks/topics.py` makes them as they must be. But whoever subscribes first may have had them made with the
cluster's defaults, and anybody with the right may change them at any time.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from django.conf import settings
from redis.exceptions import RedisError

from counter.events import TRUSTED_TIMES
from counter.health import KAFKA_SECONDS
from counter.kafka import REQUESTS, client_config, prefixed
from counter.sink import is_event_mode
from counter.store import CountStore
from tasks.brokers import KafkaAway
from tasks.topics import ID_COUNTS, UNIQUE_COUNTS

TRANSACTION_LOG = "__transaction_state"
"""Kafka's own topic, where it keeps whether a transaction is committed."""

LARGEST_BATCH = 1_000_000
"""Bytes: `message.max.bytes` of librdkafka, which sends no batch that is larger."""

DEFAULT_BYTES = 1_048_588
"""`max.message.bytes`, by default."""

ASK_SECONDS = 5.0
FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be, or can't be looked at: one sentence, and what to do."""

    text: str
    halts: bool = True
    """Whether going on would break a promise, or can't succeed"""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of one topic."""

    name: str
    partitions: int
    replicas: int
    """Of the partition that has the fewest"""
    config: Mapping[str, str]
    """Empty where we may not look"""

    def number(self, setting: str) -> int:
        """A setting that is one."""
        return int(self.config[setting])

    def set(self, *settings_: str) -> str:
        """The command of Kafka's that changes settings, each `name=value`."""
        return (
            f"kafka-configs.sh --bootstrap-server {settings.KAFKA_BOOTSTRAP_SERVERS} --alter"
            f" --entity-type topics --entity-name {self.name} --add-config {','.join(settings_)}"
        )


Rule = Callable[[Shape], Iterator[Finding]]


def look(admin: AdminClient, store: CountStore, seconds: float = ASK_SECONDS) -> list[Finding]:
    """What is wrong with the topics in use. Raises KafkaAway, after so many seconds, or RedisError."""
    names = [UNIQUE_COUNTS, *([ID_COUNTS] if settings.PUBLISH_ID_COUNTS else [])]
    if is_event_mode() or store.event_buckets():
        names.append(REQUESTS)
    return list(_look(admin, names, store.kept_partitions(), seconds))


def why_uncountable(admin: AdminClient) -> str | None:
    """What keeps events from being counted in their minutes, or at all. Raises KafkaAway."""
    for found in _describe(admin, [prefixed(REQUESTS)], ASK_SECONDS):
        if isinstance(found, Shape) and found.config:
            for finding in chain(_has_the_brokers_time(found), _is_not_compacted(found)):
                return finding.text
    return None


class Watched:
    """The same for many who ask: Kafka is asked once in FRESH_SECONDS. For one thread."""

    def __init__(self, store: CountStore) -> None:
        self._store = store
        self._looked = -FRESH_SECONDS
        self._texts: list[str] = []

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(client_config())

    def texts(self) -> list[str]:
        """What is wrong; nothing where Kafka or Redis can't tell, which others say."""
        if time.monotonic() - self._looked > FRESH_SECONDS:
            with suppress(KafkaAway, RedisError):
                self._texts = [finding.text for finding in look(self._admin, self._store, KAFKA_SECONDS)]
                self._looked = time.monotonic()
        return self._texts


def _look(admin: AdminClient, names: Iterable[str], kept: int, seconds: float) -> Iterator[Finding]:
    rules: dict[str, tuple[Rule, ...]] = {prefixed(name): _RULES[name] for name in names}
    rules[TRANSACTION_LOG] = _RULES[TRANSACTION_LOG]
    for found in _describe(admin, list(rules), seconds):
        if isinstance(found, Finding):
            yield found
            continue
        if found.name == prefixed(UNIQUE_COUNTS) and found.partitions not in {1, kept}:
            yield Finding(
                f"{found.name} has {found.partitions} partitions instead of one. Only its first is written:"
                " make the topic anew, or say that its readers know: manage.py keep_partitions"
            )
        if found.config:
            for rule in rules[found.name]:
                yield from rule(found)


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
        yield Finding(f"the topic {name} does not exist: run manage.py create_topics")


def _is_kept(shape: Shape) -> Iterator[Finding]:
    """Compacting takes nothing away: each minute is a key of its own. Nor does deleting without a limit."""
    limits = [f"{name}={shape.config[name]}" for name in ("retention.ms", "retention.bytes")]
    has_limit = any(not limit.endswith("=-1") for limit in limits)
    if "delete" in shape.config["cleanup.policy"].split(",") and has_limit:
        yield Finding(
            f"{shape.name} loses its oldest records (cleanup.policy={shape.config['cleanup.policy']},"
            f" {', '.join(limits)}): {shape.set('cleanup.policy=compact', 'retention.ms=-1')}"
        )


def _is_not_compacted(shape: Shape) -> Iterator[Finding]:
    if "compact" in shape.config["cleanup.policy"].split(","):
        yield Finding(
            f"{shape.name} is compacted, which leaves only the newest record of each id:"
            f" {shape.set('cleanup.policy=delete')}"
        )


def _has_the_brokers_time(shape: Shape) -> Iterator[Finding]:
    by = shape.config["message.timestamp.type"]
    if by not in TRUSTED_TIMES:
        yield Finding(
            f"{shape.name} has the times of its callers (message.timestamp.type={by}), and their clocks must"
            f" not decide a minute: {shape.set('message.timestamp.type=LogAppendTime')}"
        )


def _has_enough_replicas(shape: Shape) -> Iterator[Finding]:
    least = shape.number("min.insync.replicas")
    if least > shape.replicas:
        fit = f"min.insync.replicas={max(1, shape.replicas - 1)}"
        yield Finding(
            f"{shape.name} takes no records: it has replicas: {shape.replicas}, and asks for"
            f" min.insync.replicas={least}: add replicas, or {shape.set(fit)}"
        )


def _takes_batches(shape: Shape) -> Iterator[Finding]:
    most = shape.number("max.message.bytes")
    if most < LARGEST_BATCH:
        yield Finding(
            f"{shape.name} refuses batches above {most} bytes, and Tally's may have {LARGEST_BATCH}:"
            f" {shape.set(f'max.message.bytes={DEFAULT_BYTES}')}"
        )


def _outlives_a_power_cut(shape: Shape) -> Iterator[Finding]:
    in_memory_of = min(shape.replicas, shape.number("min.insync.replicas"))
    if in_memory_of < 2 and shape.number("flush.messages") != 1:  # noqa: PLR2004
        yield Finding(
            f"{shape.name} acknowledges what one broker alone has in memory, and a power cut loses that:"
            f" replicate it with min.insync.replicas=2, or {shape.set('flush.messages=1')}",
            halts=False,
        )
    if shape.replicas > 1 and shape.config["unclean.leader.election.enable"] == "true":
        yield Finding(
            f"{shape.name} may be led by a replica that lacks records:"
            f" {shape.set('unclean.leader.election.enable=false')}",
            halts=False,
        )


_OF_ALL: tuple[Rule, ...] = (_has_enough_replicas, _takes_batches, _outlives_a_power_cut)
_RULES: dict[str, tuple[Rule, ...]] = {
    UNIQUE_COUNTS: (_is_kept, *_OF_ALL),
    ID_COUNTS: (_is_not_compacted, *_OF_ALL),
    REQUESTS: (_has_the_brokers_time, _is_not_compacted, *_OF_ALL),
    TRANSACTION_LOG: (_has_enough_replicas, _outlives_a_power_cut),
}
