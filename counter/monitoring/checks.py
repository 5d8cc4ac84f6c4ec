"""System checks: wrong settings fail when a process starts, not at the first call."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from counter.mode import SINKS
from counter.monitoring.health import redis_problems
from counter.store.clients import CLUSTER_SCHEMES, connect, is_cluster

REDIS_SCHEMES = ("redis", "rediss", "unix")

MAX_BUCKETS = 256
"""Each costs the flush some round trips a minute; more nodes than this no cluster of Tally's has."""


@register()
def check_redis_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: REDIS_URL names no Redis."""
    url = settings.REDIS_URL
    if urlsplit(url).scheme in (*REDIS_SCHEMES, *CLUSTER_SCHEMES) and _has_ports(url):
        return []
    return [
        Error(
            "REDIS_URL is not the url of a Redis or Valkey.",  # it may hold a password, so it is not shown
            hint="Like redis://localhost:6379/0, or redis+cluster://a:6379,b:6379; rediss is with TLS."
            " A password in it must be quoted (/ as %2F).",
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
def check_broker(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E006: Celery's messages and beat's schedule would be in a Redis Cluster, or nowhere."""
    url = settings.CELERY_BROKER_URL
    if urlsplit(url).scheme not in CLUSTER_SCHEMES and _has_ports(url):
        return []
    return [
        Error(
            "CELERY_BROKER_URL is not the url of a plain Redis; Celery and RedBeat can't use a cluster.",
            hint="Like redis://localhost:6379/0. A password in it must be quoted (/ as %2F).",
            id="tally.E006",
        )
    ]


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
