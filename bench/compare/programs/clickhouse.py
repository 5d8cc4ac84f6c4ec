"""Counts in ClickHouse, here as the library chDB: `python clickhouse.py BROKERS FOLDER`.

A row for each event, named by its partition and offset: what is written again after a kill is one row.
Every second it writes what `uniqExact` says of each minute to FOLDER/counts.json.
"""

import json
import sys
import time
from pathlib import Path

from chdb import session
from confluent_kafka import Consumer

BATCH = 50_000
TABLE = """
    CREATE DATABASE IF NOT EXISTS compare ENGINE = Atomic;
    CREATE TABLE IF NOT EXISTS compare.events (minute DateTime('UTC'), part UInt16, offset UInt64, id UInt64)
        ENGINE = ReplacingMergeTree ORDER BY (minute, part, offset);
"""
QUERY = """
    SELECT formatDateTime(minute, '%Y%m%d%H%i') AS m, uniqExact(id) AS u, count() AS t
    FROM compare.events FINAL GROUP BY minute
"""


def main(brokers: str, folder: str) -> None:
    """Until it is stopped."""
    database = session.Session(f"{folder}/data")
    database.query(TABLE)
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "clickhouse",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["events"])
    told = 0.0
    while True:
        rows = [
            (m.timestamp()[1] // 60_000 * 60, m.partition(), m.offset(), json.loads(m.value() or b"")["id"])
            for m in consumer.consume(BATCH, timeout=0.5)
            if not m.error()
        ]
        if rows:
            lines = "\n".join("\t".join(map(str, row)) for row in rows)
            database.query(f"INSERT INTO compare.events FORMAT TSV\n{lines}")
            consumer.commit(asynchronous=False)
        if time.monotonic() - told > 1:
            counts = str(database.query(QUERY, "JSONCompact"))
            answer = Path(folder, "counts.json.new")
            answer.write_text(json.dumps(json.loads(counts)["data"]))
            answer.rename(answer.with_suffix(""))
            told = time.monotonic()


if __name__ == "__main__":
    main(*sys.argv[1:])
