"""Clients of Redis, or of a Redis Cluster: one place for their time limits and for who repeats what."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.utils.functional import SimpleLazyObject
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from counter.redis import sentinel

CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
"""Of a url that names some nodes of a Redis Cluster, with commas between them; the other is for TLS."""

TIMEOUT_SECONDS = 5.0
"""For the flush and for commands, which would rather wait than fail."""

ACCEPT_TIMEOUT_SECONDS = 0.4
"""For one try of an accept: half its deadline, so that a hung connection leaves time for another one."""

PAGE_TIMEOUT_SECONDS = 0.7
"""For what somebody waits for, who wants to know within 2 seconds, also where the broker is asked as well."""

HEALTH_CHECK_SECONDS = 15
RETRIES = 3


def connect() -> redis.Redis:
    """A blocking client, for reading and for idempotent writes: it repeats what a lost connection cut off."""
    retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), RETRIES)
    return _connect(TIMEOUT_SECONDS, retry, health_check_interval=HEALTH_CHECK_SECONDS)


def connect_for_accept() -> redis.Redis:
    """A blocking client that never repeats a command: counting again is decided by the batch alone."""
    return _connect(ACCEPT_TIMEOUT_SECONDS, Retry(NoBackoff(), 0))


def connect_for_health() -> redis.Redis:
    """The same, but it tries a new connection where the one of before leads to a server that is gone."""
    return _connect(ACCEPT_TIMEOUT_SECONDS, _once_more())


def connect_for_console() -> redis.Redis:
    """A blocking client that soon says that Redis is away: a page waits for it, and asks again by itself."""
    return _connect(PAGE_TIMEOUT_SECONDS, _once_more())


def connect_to_broker() -> redis.Redis:
    """The same for the Redis that carries Celery's messages and beat's sign of life."""
    return _connect_to(settings.CELERY_BROKER_URL, PAGE_TIMEOUT_SECONDS, _once_more())


def is_cluster() -> bool:
    """Whether REDIS_URL names a Redis Cluster."""
    return urlsplit(settings.REDIS_URL).scheme in CLUSTER_SCHEMES


def masters(client: redis.Redis) -> list[redis.Redis]:
    """Clients of the servers that have the data: of a plain Redis itself."""
    if not isinstance(client, RedisCluster):
        return [client]
    return [client.get_redis_connection(node) for node in client.get_primaries()]


def master_of(client: redis.Redis, name: str) -> redis.Redis:
    """A client of the server that has this key, as far as is known. Raises RedisError where none is."""
    if not isinstance(client, RedisCluster):
        return client
    with _as_lost_connection():
        node = client.get_node_from_key(name)
        assert node
        return cast("redis.Redis", client.get_redis_connection(node))


def refresh(client: redis.Redis) -> None:
    """Find out anew which server has which key. Raises RedisError."""
    if isinstance(client, RedisCluster):
        with _as_lost_connection():
            client.nodes_manager.initialize()


def tls_options(url: str) -> dict[str, Any]:
    """What a client for that url is told about TLS: nothing where it asks for none."""
    return settings.REDIS_TLS if url.startswith("rediss") else {}


def cluster_nodes() -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """What REDIS_URL says of the cluster: host and port of each node, and the options for all of them."""
    url = urlsplit(settings.REDIS_URL)
    user, at, hosts = url.netloc.rpartition("@")
    nodes = [parse_url(f"redis://{user}{at}{host}") for host in hosts.split(",")]  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {name: nodes[0][name] for name in ("username", "password") if name in nodes[0]}
    if url.scheme.startswith("rediss"):
        options |= {"ssl": True} | settings.REDIS_TLS
    return [(node["host"], node.get("port", 6379)) for node in nodes], options


class Cluster(RedisCluster):
    """Fails as a plain Redis does: that the cluster can't be reached is a lost connection."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """As a Redis does."""
        with _as_lost_connection():
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool | None = None, shard_hint: Any = None) -> Any:
        """As a Redis does."""
        pipe = super().pipeline(transaction, shard_hint)  # type: ignore[no-untyped-call]
        execute = pipe.execute

        def execute_or_fail(*args: Any, **options: Any) -> Any:
            with _as_lost_connection():
                return execute(*args, **options)

        pipe.execute = execute_or_fail
        return pipe


class LazyCluster(SimpleLazyObject):  # type: ignore[type-arg]  # Django has no generics when it runs
    """Asks the nodes for their slots when it is first used, not when it is made: they may be away then."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def _as_lost_connection() -> Iterator[None]:
    try:
        yield
    except RedisClusterException as error:
        raise redis.ConnectionError(str(error)) from error


def _once_more() -> Retry:
    """Because a connection from before a restart is no news; but never for a server that does not answer."""
    return Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))


def _connect(timeout: float, retry: Retry, **options: Any) -> redis.Redis:
    if not is_cluster():
        return _connect_to(settings.REDIS_URL, timeout, retry, **options)

    def connect() -> Cluster:
        nodes, of_url = cluster_nodes()
        with _as_lost_connection():
            return Cluster(
                startup_nodes=[ClusterNode(*node) for node in nodes],  # type: ignore[no-untyped-call]
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=retry,
                **of_url,
                **options,
            )

    return cast("redis.Redis", LazyCluster(connect))  # it has the same methods, as far as they are used here


def _connect_to(url: str, timeout: float, retry: Retry, **options: Any) -> redis.Redis:
    options |= {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": retry}
    if sentinel.is_sentinel(url):
        return sentinel.connect(url, **options)
    return redis.Redis.from_url(url, **tls_options(url), **options)
