"""Sentinel: a Redis whose master is found by asking its sentinels, with redis-py's own client.

`redis+sentinel://user:password@s1:26379,s2:26379/<service>/<db>` names some sentinels, and the service that
they watch. User and password are the master's; the sentinels' own is REDIS_SENTINEL_PASSWORD.
"""

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import redis
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

SCHEMES = ("redis+sentinel", "rediss+sentinel")
"""The second one is for TLS, to the sentinels as well."""

PORT = 26379
SENTINEL_SECONDS = 0.1
"""For one of them: it answers within milliseconds, and one that hangs leaves time to ask the next."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the url says."""

    name: str
    sentinels: list[tuple[str, int]]
    options: dict[str, Any]
    """Of a connection to the master: `db`, `username` and `password`, TLS"""
    tls: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        url = urlsplit(text)
        name, _, db = url.path.strip("/").partition("/")
        if not name:
            raise ValueError("it names no service")
        user, at, hosts = url.netloc.rpartition("@")
        nodes = [parse_url(f"redis://{user}{at}{host}") for host in hosts.split(",")]  # type: ignore[no-untyped-call]
        login = {key: nodes[0][key] for key in ("username", "password") if key in nodes[0]}
        tls = {"ssl": True} | settings.REDIS_TLS if url.scheme == SCHEMES[1] else {}
        sentinels = [(node["host"], node.get("port", PORT)) for node in nodes]
        return cls(name, sentinels, {"db": int(db or 0)} | login | tls, tls)

    @property
    def of_sentinels(self) -> dict[str, Any]:
        """Options of a connection to one of them."""
        password = settings.REDIS_SENTINEL_PASSWORD
        limits = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
        return limits | self.tls | ({"password": password} if password else {})


def is_sentinel(url: str) -> bool:
    """Whether it names sentinels."""
    return urlsplit(url).scheme in SCHEMES


def connect(url: str, **options: Any) -> redis.Redis:
    """A blocking client of whichever server is the master when a connection is made."""
    service = Service.parse(url)
    of_sentinels = service.of_sentinels | {"retry": Retry(NoBackoff(), 0)}
    sentinel = Sentinel(service.sentinels, sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]
    return sentinel.master_for(service.name, **service.options, **options)  # type: ignore[no-any-return, no-untyped-call]


def async_pool(url: str, **options: Any) -> SentinelConnectionPool:
    """The same for connections of asyncio; they are of use as long as it is kept."""
    service = Service.parse(url)
    of_sentinels = service.of_sentinels | {"retry": AsyncRetry(NoBackoff(), 0)}
    sentinel = AsyncSentinel(service.sentinels, sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]
    return SentinelConnectionPool(service.name, sentinel, **service.options, **options)  # type: ignore[no-untyped-call]


def celery_options(url: str) -> dict[str, Any]:
    """How Celery's broker and RedBeat are told the same."""
    service = Service.parse(url)
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    urls = [f"sentinel://{user}{at}{host}:{port}/{service.options['db']}" for host, port in service.sentinels]
    of_beat = {name: value for name, value in service.options.items() if name not in service.tls}
    return {
        # Not broker_url: before that Celery looks for CELERY_BROKER_URL in the environment, by itself.
        "broker_read_url": ";".join(urls),
        "broker_write_url": ";".join(urls),
        "broker_transport_options": {"master_name": service.name, "sentinel_kwargs": service.of_sentinels},
        "redbeat_redis_url": "redis-sentinel://",
        "redbeat_redis_use_ssl": settings.REDIS_TLS if service.tls else None,
        "redbeat_redis_options": {
            "sentinels": service.sentinels,
            "service_name": service.name,
            "sentinel_kwargs": service.of_sentinels,
            **of_beat,
        },
    }
