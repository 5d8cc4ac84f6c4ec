"""The ids of published minutes, as they are read back from `id-counts`."""

import pytest
from confluent_kafka import Producer
from django.conf import settings

from counter.kafka.client import prefixed
from counter.store.counts import CountStore
from tasks.kafka.topics import ID_COUNTS, PARTITIONS
from tasks.output.published_ids import newest_minute
from tests.support.tally.flushing import publish_one

FOREIGN = (b"", b"garbage", b'{"id": 1}', b'{"minute": "soon", "id": 1, "count": 1}')


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_the_newest_minute_is_that_of_the_last_record_that_can_be_read(store: CountStore) -> None:
    partitions = range(PARTITIONS)
    assert newest_minute(partitions) is None
    minute = publish_one(store)
    producer = Producer({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS})
    for partition in partitions:
        for value in FOREIGN:
            producer.produce(prefixed(ID_COUNTS), value, partition=partition)
    producer.flush()
    assert newest_minute(partitions) == minute
