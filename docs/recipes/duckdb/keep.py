"""Keeps Tally's id-counts in DuckDB, each record once.

`python keep.py BROKERS FILE [--idle SECONDS]`: until it is stopped, or no record came for so long. The rows
of a batch and the offsets behind them are written in one transaction, and reading begins from there: whenever
it is killed, the next start goes on with the first record that is not in the file.
"""

import argparse
import json

import duckdb
from confluent_kafka import Consumer, Message, TopicPartition

TOPIC = "id-counts"
BATCH, PAUSE_SECONDS = 5000, 0.5
TABLES = """
    CREATE TABLE IF NOT EXISTS offsets (partition INTEGER PRIMARY KEY, next BIGINT);
    CREATE TABLE IF NOT EXISTS id_counts (minute TIMESTAMP, counter VARCHAR, id VARCHAR, count BIGINT);
"""
ROWS = "INSERT INTO id_counts SELECT strptime(unnest(?), '%Y%m%d%H%M'), unnest(?), unnest(?), unnest(?)"
NEXT = "INSERT OR REPLACE INTO offsets VALUES (?, ?)"


def main() -> None:
    """Keep what there is, and what comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("brokers")
    parser.add_argument("file")
    parser.add_argument("--idle", type=float, default=float("inf"), metavar="SECONDS")
    arguments = parser.parse_args()
    with duckdb.connect(arguments.file) as database:
        database.execute(TABLES)
        consumer = reader(arguments.brokers, dict(database.execute("FROM offsets").fetchall()))
        idle = 0.0
        while idle < arguments.idle:
            messages = [each for each in consumer.consume(BATCH, PAUSE_SECONDS) if not each.error()]
            idle = 0.0 if messages else idle + PAUSE_SECONDS
            if messages:
                keep(database, messages)
                print(f"kept {len(messages)} records", flush=True)
        consumer.close()


def reader(brokers: str, offsets: dict[int, int]) -> Consumer:
    """A consumer of all partitions, each from where the file has it."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "duckdb",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",  # records that are gone would be missing in every sum
        }
    )
    partitions = consumer.list_topics(TOPIC).topics[TOPIC].partitions
    consumer.assign([TopicPartition(TOPIC, number, offsets.get(number, 0)) for number in partitions])
    return consumer


def keep(database: duckdb.DuckDBPyConnection, messages: list[Message]) -> None:
    """All of these and where to go on, or nothing."""
    values = [json.loads(message.value() or b"") for message in messages]
    columns = (
        [value["minute"] for value in values],
        [value.get("counter", "") for value in values],
        [str(value["id"]) for value in values],
        [value["count"] for value in values],
    )
    database.begin()
    database.execute(ROWS, columns)
    for partition, last in {message.partition(): message.offset() or 0 for message in messages}.items():
        database.execute(NEXT, (partition, last + 1))
    database.commit()


if __name__ == "__main__":
    main()
