"""Nodes: the hot path's bare connections, one to each server that has a bucket."""

from contextlib import suppress
from typing import Any, Protocol, cast

from django.conf import settings
from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisClusterException, RedisError

from counter.redis.clients import ACCEPT_TIMEOUT_SECONDS, cluster_nodes, is_cluster, tls_options
from counter.redis.sentinel import async_pool, is_sentinel
from counter.store.keys import Bucket


class Connections(Protocol):
    """Connections for one sender at a time, made at the first command and made anew after an error.

    They never repeat a command, and set no time limit of their own: the caller does. A client with a pool
    around them would cost more than the batch.
    """

    def of(self, bucket: Bucket) -> Connection:
        """To the server of this bucket, as far as is known. Raises RedisError where none is."""
        ...

    async def refresh(self) -> None:
        """Find out anew which server has which bucket; what went wrong is seen at the next command."""
        ...

    async def stop(self) -> None:
        """Hang up."""
        ...


def connect_async() -> Connections:
    """To the Redis, or the cluster, of REDIS_URL."""
    return ClusterConnections() if is_cluster() else SingleConnection()


class SingleConnection:
    """A plain Redis, or the one that sentinels call the master."""

    def __init__(self) -> None:
        url = settings.REDIS_URL
        options: dict[str, Any] = {
            "socket_timeout": None,
            "socket_connect_timeout": ACCEPT_TIMEOUT_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        # Kept, for one of sentinels is asked again for each connection.
        self._pool = (
            async_pool(url, **options)
            if is_sentinel(url)
            else ConnectionPool.from_url(url, **tls_options(url), **options)
        )
        self._connection = cast("Connection", self._pool.make_connection())  # type: ignore[no-untyped-call]

    def of(self, bucket: Bucket) -> Connection:
        """The one there is."""
        return self._connection

    async def refresh(self) -> None:
        """Nothing moves."""

    async def stop(self) -> None:
        """Hang up."""
        await self._connection.disconnect()


class ClusterConnections:
    """The masters of a Redis Cluster; redis-py knows which has which slot."""

    def __init__(self) -> None:
        self._cluster: RedisCluster | None = None
        self._connections: dict[str, Connection] = {}

    def of(self, bucket: Bucket) -> Connection:
        """The master that has the bucket's slot."""
        if not self._cluster:
            raise ConnectionError("the cluster is not known yet")
        try:
            node = self._cluster.get_node_from_key(bucket.sealed)
        except (RedisClusterException, KeyError) as error:
            raise ConnectionError(f"no node is known to have {bucket.tag}") from error
        assert node
        if node.name not in self._connections:
            self._connections[node.name] = _connection(node)
        return self._connections[node.name]

    async def refresh(self) -> None:
        """Ask the nodes that are known, one after the other."""
        if not self._cluster:
            nodes, options = cluster_nodes()
            self._cluster = RedisCluster(
                startup_nodes=[ClusterNode(*node) for node in nodes],
                socket_timeout=ACCEPT_TIMEOUT_SECONDS,
                socket_connect_timeout=ACCEPT_TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
                **options,
            )
        with suppress(RedisError, RedisClusterException, OSError):
            await self._cluster.nodes_manager.initialize()

    async def stop(self) -> None:
        """Hang up."""
        for connection in self._connections.values():
            await connection.disconnect()
        if self._cluster:
            for cache in ("nodes_cache", "startup_nodes"):
                await self._cluster.nodes_manager.aclose(cache)


def _connection(node: ClusterNode) -> Connection:
    return node.connection_class(**(node.connection_kwargs | {"socket_timeout": None}))
