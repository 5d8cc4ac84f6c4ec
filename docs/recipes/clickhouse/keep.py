"""Keeps Tally's id-counts in ClickHouse, here as the library chDB.

`python keep.py BROKERS FOLDER [--idle SECONDS]`: until it is stopped, or no record came for so long.
ClickHouse has no transaction for rows and offsets. So a batch is written first, and then its offsets are
committed in Kafka. What was written twice is one row: minute, counter and id name it, and ReplacingMergeTree
keeps one of each name.
"""

import argparse
import json

from chdb import session
from confluent_kafka import Consumer, Message

TOPIC = "id-counts"
BATCH, PAUSE_SECONDS = 5000, 0.5
TABLES = """
    CREATE DATABASE IF NOT EXISTS tally ENGINE = Atomic;
    CREATE TABLE IF NOT EXISTS tally.id_counts
        (minute DateTime('UTC'), counter String, id String, count UInt64)
        ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(minute) ORDER BY (counter, minute, id);
"""


def main() -> None:
    """Keep what there is, and what comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("brokers")
    parser.add_argument("folder")
    parser.add_argument("--idle", type=float, default=float("inf"), metavar="SECONDS")
    arguments = parser.parse_args()
    database = session.Session(arguments.folder)
    database.query(TABLES)
    consumer = Consumer(
        {
            "bootstrap.servers": arguments.brokers,
            "group.id": "clickhouse",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,  # for so long the partitions of one that was killed stay its own
        }
    )
    consumer.subscribe([TOPIC])
    idle = 0.0
    while idle < arguments.idle:
        messages = [each for each in consumer.consume(BATCH, PAUSE_SECONDS) if not each.error()]
        idle = 0.0 if messages else idle + PAUSE_SECONDS
        if messages:
            database.query("INSERT INTO tally.id_counts FORMAT JSONEachRow " + "\n".join(map(row, messages)))
            consumer.commit(asynchronous=False)
            print(f"kept {len(messages)} records", flush=True)
    consumer.close()


def row(message: Message) -> str:
    """A record as a row."""
    value = json.loads(message.value() or b"")
    at = value["minute"]
    minute = f"{at[:4]}-{at[4:6]}-{at[6:8]} {at[8:10]}:{at[10:]}:00"
    named = {"counter": value.get("counter", ""), "id": str(value["id"])}
    return json.dumps({"minute": minute, **named, "count": value["count"]})


if __name__ == "__main__":
    main()
