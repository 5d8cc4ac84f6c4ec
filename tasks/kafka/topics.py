"""The topics that Tally writes, and how they must be set up."""

import time
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from django.conf import settings

from counter.kafka.client import REQUESTS, client_config, prefixed
from counter.mode import is_event_mode

UNIQUE_COUNTS = "unique-counts"
ID_COUNTS = "id-counts"
PARTITION = 0
"""The one of `unique-counts` that is written and read, by number, whatever others there are."""

PARTITIONS = 12
"""Of `id-counts` and `requests`."""

REPLICAS = 3
ALONE = {"min.insync.replicas": "1"}
"""One broker may acknowledge by itself: then from its disk, and not from its memory."""

DAY_MS = 24 * 60 * 60 * 1000
TIMEOUT_SECONDS = 30.0
PAUSE_SECONDS = 0.1


def create_topics(prefix: str = "") -> list[str]:
    """Create the topics that are missing, and name them; what exists is left as it is.

    With a prefix they are those of a replay, whose names begin with it, after KAFKA_TOPIC_PREFIX.

    Replicated three times with `min.insync.replicas=2` where there are brokers enough; where there is one,
    it has each record on disk before it acknowledges. Returns when the brokers know them. Raises
    KafkaException when the brokers do not answer or refuse.
    """
    with AdminClient(client_config()) as admin:
        brokers = len(admin.list_topics(timeout=TIMEOUT_SECONDS).brokers)
        futures = admin.create_topics(_topics(brokers, prefix))
        made = [name for name, future in futures.items() if _made(future)]
        while not set(made) <= admin.list_topics(timeout=TIMEOUT_SECONDS).topics.keys():
            time.sleep(PAUSE_SECONDS)
        return made


def _topics(brokers: int, prefix: str) -> list[NewTopic]:
    replicas = min(REPLICAS, brokers)
    durable = {"min.insync.replicas": str(max(1, replicas - 1))}
    if durable == ALONE:
        durable |= {"flush.messages": "1"}
    # One record a minute, the newest of which says where publishing goes on: never to be lost to age.
    forever = {"cleanup.policy": "compact", "retention.ms": "-1"}
    topics = [
        NewTopic(prefixed(f"{prefix}{UNIQUE_COUNTS}"), 1, replicas, config=durable | forever),
        NewTopic(prefixed(f"{prefix}{ID_COUNTS}"), PARTITIONS, replicas, config=durable | _for_days()),
    ]
    if is_event_mode() and not prefix:
        by_broker = {"message.timestamp.type": "LogAppendTime"}
        topics.append(NewTopic(prefixed(REQUESTS), PARTITIONS, replicas, config=durable | by_broker))
    return topics


def _for_days() -> dict[str, str]:
    days = settings.ID_COUNTS_RETENTION_DAYS
    return {"retention.ms": str(days * DAY_MS) if days else "-1"}


def _made(future: Future[None]) -> bool:
    try:
        future.result(timeout=TIMEOUT_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True
