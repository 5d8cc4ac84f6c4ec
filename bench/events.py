"""`python -m bench.events EVENTS`: append so many events to `requests`, of 100,000 ids, to all partitions."""

import sys

import django

django.setup()

from confluent_kafka import Producer  # noqa: E402  (these need Django's settings)

from counter.kafka.client import REQUESTS  # noqa: E402
from counter.kafka.requests import event, producer_config  # noqa: E402

IDS = 100_000


def append(events: int) -> None:
    """As fast as the client takes them."""
    producer = Producer(
        producer_config() | {"message.timeout.ms": 120_000, "queue.buffering.max.messages": 500_000}
    )
    for n in range(events):
        value, key = event(n * 7919 % IDS)
        while True:
            try:
                producer.produce(REQUESTS, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


append(int(sys.argv[1]))
