"""What the errors of Kafka's clients mean."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from tasks.errors import Fenced, KafkaAway, StartOver

_FENCED = {
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}


@contextmanager
def asking() -> Iterator[None]:
    """Where Kafka is asked something: what it does not answer raises KafkaAway."""
    try:
        yield
    except KafkaException as error:
        raise KafkaAway(error.args[0].str()) from error


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
