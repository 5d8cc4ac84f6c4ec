"""The topics that Tally writes, and how they must be set up."""

from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from counter.kafka.client import REQUESTS, client_config
from counter.mode import is_event_mode

UNIQUE_COUNTS = "unique-counts"
ID_COUNTS = "id-counts"
PARTITIONS = 12
"""Of `id-counts` and `requests`."""

REPLICAS = 3
TIMEOUT_SECONDS = 30.0


def create_topics(prefix: str = "") -> list[str]:
    """Create the topics that are missing, and name them; what exists is left as it is.

    With a prefix they are those of a replay, whose names begin with it.

    Replicated three times with `min.insync.replicas=2` where there are brokers enough. Raises
    KafkaException when the brokers do not answer or refuse.
    """
    admin = AdminClient(client_config())
    brokers = len(admin.list_topics(timeout=TIMEOUT_SECONDS).brokers)
    return [name for name, future in admin.create_topics(_topics(brokers, prefix)).items() if _made(future)]


def _topics(brokers: int, prefix: str) -> list[NewTopic]:
    replicas = min(REPLICAS, brokers)
    durable = {"min.insync.replicas": str(max(1, replicas - 1))}
    # One record a minute, the newest of which says where publishing goes on: never to be lost to age.
    forever = {"cleanup.policy": "compact", "retention.ms": "-1"}
    topics = [
        NewTopic(f"{prefix}{UNIQUE_COUNTS}", 1, replicas, config=durable | forever),
        NewTopic(f"{prefix}{ID_COUNTS}", PARTITIONS, replicas, config=durable),
    ]
    if is_event_mode() and not prefix:
        by_broker = {"message.timestamp.type": "LogAppendTime"}
        topics.append(NewTopic(REQUESTS, PARTITIONS, replicas, config=durable | by_broker))
    return topics


def _made(future: Future[None]) -> bool:
    try:
        future.result(timeout=TIMEOUT_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True
