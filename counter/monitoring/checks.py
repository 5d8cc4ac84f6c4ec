"""System checks: wrong settings fail when a process starts, not at the first call."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from counter.counters import is_name
from counter.mode import SINKS
from counter.monitoring.health import redis_problems
from counter.redis import sentinel
from counter.redis.clients import CLUSTER_SCHEMES, connect, is_cluster

REDIS_SCHEMES = ("redis", "rediss", "unix")

MAX_PREFIX = 200
"""Of Kafka's 249 characters for a topic's name; a replay's prefix and the name itself come behind it."""

MAX_COUNTERS = 100
"""Each has as many buckets as the default counter, and a series in some metrics."""

MAX_BUCKETS = 256
"""Each costs the flush some round trips a minute; more nodes than this no cluster of Tally's has."""


@register()
def check_redis_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: REDIS_URL names no Redis."""
    url = settings.REDIS_URL
    known = (*REDIS_SCHEMES, *CLUSTER_SCHEMES, *sentinel.SCHEMES)
    if urlsplit(url).scheme in known and _has_ports(url) and _names_its_service(url):
        return []
    return [
        Error(
            "REDIS_URL is not the url of a Redis or Valkey.",  # it may hold a password, so it is not shown
            hint="Like redis://localhost:6379/0, redis+sentinel://a:26379,b:26379/service/0, or"
            " redis+cluster://a:6379,b:6379; rediss is with TLS. A password in it must be quoted (/ as %2F).",
            id="tally.E001",
        )
    ]


@register()
def check_bootstrap_servers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E002: KAFKA_BOOTSTRAP_SERVERS names no brokers."""
    servers = settings.KAFKA_BOOTSTRAP_SERVERS.split(",")
    if all(name and port.isdigit() for name, _, port in (s.strip().rpartition(":") for s in servers)):
        return []
    return [
        Error(
            f"KAFKA_BOOTSTRAP_SERVERS is {settings.KAFKA_BOOTSTRAP_SERVERS!r}.",
            hint="Write it like localhost:9092, several with commas between them.",
            id="tally.E002",
        )
    ]


@register()
def check_sink(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E003: ACCEPT_SINK is none of the known ones."""
    if settings.ACCEPT_SINK in SINKS:
        return []
    return [
        Error(
            f"ACCEPT_SINK is {settings.ACCEPT_SINK!r}.",
            hint=f"One of {', '.join(SINKS)}.",
            id="tally.E003",
        )
    ]


@register()
def check_buckets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E004: REDIS_BUCKETS is not a number of buckets."""
    least = 2 if is_cluster() else 1  # the names of a single bucket have no tag to keep them on one node
    if least <= settings.REDIS_BUCKETS <= MAX_BUCKETS:
        return []
    return [
        Error(
            f"REDIS_BUCKETS is {settings.REDIS_BUCKETS}.",
            hint=f"Over how many buckets ids are spread: {least} to {MAX_BUCKETS}.",
            id="tally.E004",
        )
    ]


@register()
def check_replicas(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E005: ACCEPT_REPLICAS is not a number of replicas."""
    if settings.ACCEPT_REPLICAS >= 0:
        return []
    return [
        Error(
            f"ACCEPT_REPLICAS is {settings.ACCEPT_REPLICAS}.",
            hint="How many replicas must have a call on disk before its answer; 0 for none.",
            id="tally.E005",
        )
    ]


@register()
def check_retention(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E008: ID_COUNTS_RETENTION_DAYS is not a number of days."""
    if settings.ID_COUNTS_RETENTION_DAYS >= 0:
        return []
    return [
        Error(
            f"ID_COUNTS_RETENTION_DAYS is {settings.ID_COUNTS_RETENTION_DAYS}.",
            hint="How many days Kafka keeps the counts of ids; 0 for ever.",
            id="tally.E008",
        )
    ]


@register()
def check_broker(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E006: Celery's messages and beat's schedule would be in a Redis Cluster, or nowhere."""
    url = settings.CELERY_BROKER_URL
    if urlsplit(url).scheme not in CLUSTER_SCHEMES and _has_ports(url) and _names_its_service(url):
        return []
    return [
        Error(
            "CELERY_BROKER_URL is not the url of a plain Redis; Celery and RedBeat can't use a cluster.",
            hint="Like redis://localhost:6379/0, or redis+sentinel://a:26379,b:26379/service/0."
            " A password in it must be quoted (/ as %2F).",
            id="tally.E006",
        )
    ]


@register()
def check_topic_prefix(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E007: with KAFKA_TOPIC_PREFIX in front, Kafka would not take the names of the topics."""
    prefix = settings.KAFKA_TOPIC_PREFIX
    if re.fullmatch(r"[a-zA-Z0-9._-]*", prefix) and len(prefix) <= MAX_PREFIX:
        return []
    return [
        Error(
            f"KAFKA_TOPIC_PREFIX is {prefix!r}.",
            hint=f"Up to {MAX_PREFIX} letters, digits, dots, underscores and hyphens, as in staging-.",
            id="tally.E007",
        )
    ]


@register()
def check_counters(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E013: COUNTERS has a name that is none, or one of them twice."""
    names = settings.COUNTERS
    wrong = [name for name in names if not is_name(name)]
    if not wrong and len(set(names)) == len(names) <= MAX_COUNTERS:
        return []
    return [
        Error(
            f"COUNTERS is {','.join(names)!r}.",
            hint=f"Up to {MAX_COUNTERS} names with commas between them, each once, of a letter and up to 62"
            " letters, digits, underscores and hyphens: clicks,installs",
            id="tally.E013",
        )
    ]


def _names_its_service(url: str) -> bool:
    """Whether it can be asked of sentinels, where it names some."""
    if sentinel.is_sentinel(url):
        try:
            sentinel.Service.parse(url)
        except ValueError:
            return False
    return True


def _has_ports(url: str) -> bool:
    """Whether what would be the hosts' ports are some: not so where a / in a password ends the hosts."""
    try:
        for host in urlsplit(url).netloc.rpartition("@")[2].split(","):
            urlsplit(f"//{host}").port  # noqa: B018
    except ValueError:
        return False
    return True


@register(Tags.database)
def check_redis(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W001: Redis does not answer, or would lose counts. Part of `migrate` and `check --database default`."""
    if not databases:
        return []
    return [
        Warning(problem, hint="docs/operations.md, Redis", id="tally.W001")
        for problem in redis_problems(connect())
    ]
