"""What each topic must be set up like, rule by rule; see tasks/kafka/shape.py."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings

from counter.kafka.client import REQUESTS
from counter.kafka.requests import TRUSTED_TIMES
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS

TRANSACTION_LOG = "__transaction_state"
"""Kafka's own topic, where it keeps whether a transaction is committed."""

LARGEST_BATCH = 1_000_000
"""Bytes: `message.max.bytes` of librdkafka, which sends no batch that is larger."""

DEFAULT_BYTES = 1_048_588
"""`max.message.bytes`, by default."""


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


def is_kept(shape: Shape) -> Iterator[Finding]:
    """Compacting takes nothing away: each minute is a key of its own. Nor does deleting without a limit."""
    limits = [f"{name}={shape.config[name]}" for name in ("retention.ms", "retention.bytes")]
    has_limit = any(not limit.endswith("=-1") for limit in limits)
    if "delete" in shape.config["cleanup.policy"].split(",") and has_limit:
        yield Finding(
            f"{shape.name} loses its oldest records (cleanup.policy={shape.config['cleanup.policy']},"
            f" {', '.join(limits)}): {shape.set('cleanup.policy=compact', 'retention.ms=-1')}"
        )


def is_not_compacted(shape: Shape) -> Iterator[Finding]:
    """Here a key is an id, which has a record in every minute that it was accepted in."""
    if "compact" in shape.config["cleanup.policy"].split(","):
        yield Finding(
            f"{shape.name} is compacted, which leaves only the newest record of each id:"
            f" {shape.set('cleanup.policy=delete')}"
        )


def has_the_brokers_time(shape: Shape) -> Iterator[Finding]:
    """Its clock decides the minute of an event."""
    by = shape.config["message.timestamp.type"]
    if by not in TRUSTED_TIMES:
        yield Finding(
            f"{shape.name} has the times of its callers (message.timestamp.type={by}), and their clocks must"
            f" not decide a minute: {shape.set('message.timestamp.type=LogAppendTime')}"
        )


def has_enough_replicas(shape: Shape) -> Iterator[Finding]:
    """So that a record can be acknowledged at all."""
    least = shape.number("min.insync.replicas")
    if least > shape.replicas:
        fit = f"min.insync.replicas={max(1, shape.replicas - 1)}"
        yield Finding(
            f"{shape.name} takes no records: it has replicas: {shape.replicas}, and asks for"
            f" min.insync.replicas={least}: add replicas, or {shape.set(fit)}"
        )


def takes_batches(shape: Shape) -> Iterator[Finding]:
    """As large as Tally's clients may send them."""
    most = shape.number("max.message.bytes")
    if most < LARGEST_BATCH:
        yield Finding(
            f"{shape.name} refuses batches above {most} bytes, and Tally's may have {LARGEST_BATCH}:"
            f" {shape.set(f'max.message.bytes={DEFAULT_BYTES}')}"
        )


def outlives_a_power_cut(shape: Shape) -> Iterator[Finding]:
    """On the disk of one broker, or in the memory of several."""
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


_OF_ALL: tuple[Rule, ...] = (has_enough_replicas, takes_batches, outlives_a_power_cut)
RULES: dict[str, tuple[Rule, ...]] = {
    UNIQUE_COUNTS: (is_kept, *_OF_ALL),
    ID_COUNTS: (is_not_compacted, *_OF_ALL),
    REQUESTS: (has_the_brokers_time, is_not_compacted, *_OF_ALL),
    TRANSACTION_LOG: (has_enough_replicas, outlives_a_power_cut),
}
