"""`python -m bench.drain EVENTS [fill]`: so many events, counted by one consolidator; what it took, as JSON.

With `fill` they are only appended: of a million ids, in all partitions of `requests`.
"""

import json
import sys
import threading
import time

import django

django.setup()

from confluent_kafka import Producer  # noqa: E402  (these need Django's settings)

from bench.machine import peak  # noqa: E402
from counter.connection import connect  # noqa: E402
from counter.events import event, producer_config  # noqa: E402
from counter.kafka import REQUESTS  # noqa: E402
from counter.progress import Progress  # noqa: E402
from tasks.consolidator import Consolidator  # noqa: E402

IDS = 1_000_000
SAMPLE_SECONDS = 0.25


def main(events: int) -> None:
    """Print what was seen: seconds, megabytes, and how far it was when."""
    client, stop = connect(), threading.Event()
    progress = Progress(client)
    thread = threading.Thread(target=Consolidator(client, stop).run)
    thread.start()
    begin, samples = None, list[tuple[float, int]]()
    counted = 0
    while counted < events:
        counted = sum(each.next for of in progress.positions().values() for each in of)
        begin = begin or (time.perf_counter() if counted else None)
        samples.append((time.perf_counter() - (begin or time.perf_counter()), counted))
        time.sleep(SAMPLE_SECONDS)
    stop.set()
    thread.join()
    print(json.dumps({"seconds": samples[-1][0], "megabytes": peak(), "samples": samples}))


def append(events: int) -> None:
    """The backlog, as fast as the client takes it."""
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


(append if "fill" in sys.argv else main)(int(sys.argv[1]))
