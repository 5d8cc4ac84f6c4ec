"""`make demo`: a few seconds of traffic, followed from the call to the records in Kafka."""

import json
import logging
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
from confluent_kafka import Consumer, TopicPartition

from embedded.system import CannotRunError, System

SECONDS = 5
CALLERS = 8
IDS = 200
PUBLISH_SECONDS = 30
PREFIX = os.environ.get("KAFKA_TOPIC_PREFIX", "")
UNIQUE_COUNTS, ID_COUNTS = f"{PREFIX}unique-counts", f"{PREFIX}id-counts"
PARTITIONS = {UNIQUE_COUNTS: 1, ID_COUNTS: 12}
MINUTE_SECONDS = 60

log = logging.getLogger("demo")


def main() -> None:
    """Exit with status 0 when Kafka has just what was sent, else 1."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        system = System()
    except CannotRunError as error:
        sys.exit(f"{error}.")
    with running(system):
        topics = Topics(system.environment["KAFKA_BOOTSTRAP_SERVERS"])
        sent = send(system.url)
        end = (time.time() // MINUTE_SECONDS + 1) * MINUTE_SECONDS
        log.info("Sent %d calls with %d distinct ids, all answered ok.", sent.total(), len(sent))
        wait_for_minute(end)
        sys.exit(0 if compare(sent, topics) else 1)


@contextmanager
def running(system: System) -> Iterator[None]:
    """The system that runs on this machine already, or one that runs just as long as the demo."""
    if system.is_ready():
        yield
        return
    log.info("No Tally at %s: starting one.", system.url)
    process = subprocess.Popen(
        [sys.executable, "-m", "embedded", "--no-login"], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while not system.is_ready():
            if process.poll() is not None:
                sys.exit(1)
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def send(url: str) -> Counter[int]:
    """Call for a few seconds, some ids much more often than others; how often each was answered `ok`."""
    # A range of its own, so that other traffic does not disturb the comparison.
    base = secrets.randbelow(2**40) * 1000
    deadline = time.monotonic() + SECONDS

    def call(seed: int) -> Counter[int]:
        skewed = random.Random(seed)  # noqa: S311
        sent: Counter[int] = Counter()
        with httpx.Client(base_url=url) as client:
            while time.monotonic() < deadline:
                id = base + min(IDS, int(skewed.paretovariate(1)))
                client.get("/api/verve/accept", params={"id": id}).raise_for_status()
                sent[id] += 1
        return sent

    with ThreadPoolExecutor(CALLERS) as callers:
        return sum(callers.map(call, range(CALLERS)), Counter())


def wait_for_minute(end: float) -> None:
    """Count down to the end of the minute."""
    while (left := end - time.time()) > 0:
        log.info("The minute is published when it is over, in %d s ...", left + 1)
        time.sleep(min(left, 10))


class Topics:
    """What is committed to the topics from now on."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": f"demo-{os.getpid()}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "log_level": 2,
            }
        )
        all_of = [TopicPartition(topic, n) for topic, count in PARTITIONS.items() for n in range(count)]
        for partition in all_of:
            _, partition.offset = self._consumer.get_watermark_offsets(partition, timeout=10) or (0, 0)
        self._consumer.assign(all_of)

    def read(self) -> tuple[str, dict[str, object]] | None:
        """The next record, as its topic and value; None when there is none for a second."""
        message = self._consumer.poll(1)
        if message is None or message.error():
            return None
        return message.topic() or "", json.loads(message.value() or b"")


def compare(sent: Counter[int], topics: Topics) -> bool:
    """Wait for the records of all that was sent, show them, and say whether they are the same."""
    counted: Counter[int] = Counter()
    minutes: list[dict[str, object]] = []
    deadline = time.monotonic() + PUBLISH_SECONDS
    while (counted.total() < sent.total() or not minutes) and time.monotonic() < deadline:
        if not (record := topics.read()):
            continue
        topic, value = record
        if topic == UNIQUE_COUNTS:
            minutes.append(value)
        elif value["id"] in sent:
            counted[int(str(value["id"]))] += int(str(value["count"]))
    for value in minutes:
        log.info("%s  %s", UNIQUE_COUNTS, json.dumps(value))
    for id, count in counted.most_common(5):
        log.info("%s      %d: sent %d, counted %d", ID_COUNTS, id, sent[id], count)
    same = counted == sent
    log.info("Kafka has %s what was sent.", "exactly" if same else "NOT")
    return same


if __name__ == "__main__":
    main()
