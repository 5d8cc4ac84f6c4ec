"""Counts in Redis, as tutorials do it: `python hyperloglog.py BROKERS REDIS_URL`.

A HyperLogLog and a counter for each minute; offsets are committed after the writes.
"""

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime

import redis
from confluent_kafka import Consumer

BATCH = 5000


def main(brokers: str, url: str) -> None:
    """Until it is stopped."""
    client = redis.Redis.from_url(url)
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "hyperloglog",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["events"])
    while True:
        minutes: dict[str, list[int]] = defaultdict(list)
        for message in consumer.consume(BATCH, timeout=0.5):
            if not message.error():
                time = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
                minutes[f"{time:%Y%m%d%H%M}"].append(json.loads(message.value() or b"")["id"])
        with client.pipeline(transaction=False) as pipe:
            for minute, ids in minutes.items():
                pipe.pfadd(f"unique:{minute}", *ids)
                pipe.incrby(f"total:{minute}", len(ids))
            pipe.execute()
        if minutes:
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
