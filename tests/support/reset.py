"""Servers of the session, emptied for the next test."""

from contextlib import suppress

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings

from counter.kafka.client import REQUESTS, client_config
from counter.minute import SECONDS
from counter.redis import clock
from counter.store import keys
from counter.store.rebucketing import spread_over
from counter.store.registry import known_buckets
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS, create_topics
from tests.support.processes import wait_until


def begin_in_one(valkey: redis.Redis, left: int = 10) -> None:
    """Have the calls to come in one minute: go on while this one has so many seconds left."""
    wait_until(lambda: clock.now(valkey) % SECONDS < SECONDS - left, "a minute is young", 90)


def is_empty(client: redis.Redis) -> bool:
    """Whether nothing was written since then."""
    names = {name.decode() for name in client.scan_iter()}
    known = {keys.BUCKETS, keys.COUNTERS, keys.FLUSHES, *(bucket.layout for bucket in known_buckets(client))}
    return names <= known


def empty(client: redis.Redis) -> None:
    """Forget everything but over how many buckets ids are spread."""
    client.flushall()
    if settings.REDIS_BUCKETS != 1:
        spread_over(client, settings.REDIS_BUCKETS)


def delete_topics() -> None:
    """Have no topics."""
    topics = {UNIQUE_COUNTS, ID_COUNTS, REQUESTS}
    with AdminClient(client_config()) as admin:
        for future in admin.delete_topics(list(topics)).values():
            with suppress(KafkaException):  # there was none
                future.result()
        wait_until(lambda: not topics & set(admin.list_topics().topics), "topics are gone")


def new_topics() -> None:
    """Replace the topics by empty ones."""
    delete_topics()
    wait_until(lambda: len(create_topics()) == 2, "topics are made")
