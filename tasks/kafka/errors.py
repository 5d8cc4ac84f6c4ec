"""What the errors of Kafka's clients mean."""

from confluent_kafka import KafkaError, KafkaException


class KafkaAway(Exception):
    """The brokers do not answer, or not in time: try again later."""


class StartOver(Exception):
    """The transaction is lost, or its outcome unknown: only a new producer and the topic can tell."""


class Fenced(Exception):
    """A newer producer has taken over. A normal event: it does the work."""


_FENCED = {
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}


def triage(exception: KafkaException) -> Exception | None:
    """What an error of a transactional call means: None says that the same call may be made again.

    The one place where this is decided, after the table in librdkafka's INTRODUCTION.md, "Transactional
    error handling". An error that is neither retriable nor abortable leaves the outcome unknown.
    """
    error: KafkaError = exception.args[0]
    if error.code() in _FENCED:
        return Fenced(error.str())
    if error.retriable():
        return None
    return StartOver(error.str())
