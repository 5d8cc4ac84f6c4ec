"""The topics that Tally writes, and how they must be set up."""

from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from counter.kafka import client_config

UNIQUE_COUNTS = "unique-counts"
ID_COUNTS = "id-counts"

REPLICAS = 3
TIMEOUT_SECONDS = 30.0


def create_topics() -> list[str]:
    """Create the topics that are missing, and name them; what exists is left as it is.

    Replicated three times with `min.insync.replicas=2` where there are brokers enough. Raises
    KafkaException when the brokers do not answer or refuse.
    """
    admin = AdminClient(client_config())
    brokers = len(admin.list_topics(timeout=TIMEOUT_SECONDS).brokers)
    return [name for name, future in admin.create_topics(_topics(brokers)).items() if _made(future)]


def _topics(brokers: int) -> list[NewTopic]:
    replicas = min(REPLICAS, brokers)
    durable = {"min.insync.replicas": str(max(1, replicas - 1))}
    # One record a minute, the newest of which says where publishing goes on: never to be lost to age.
    forever = {"cleanup.policy": "compact", "retention.ms": "-1"}
    return [
        NewTopic(UNIQUE_COUNTS, 1, replicas, config=durable | forever),
        NewTopic(ID_COUNTS, 12, replicas, config=durable),
    ]


def _made(future: Future[None]) -> bool:
    try:
        future.result(timeout=TIMEOUT_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True
