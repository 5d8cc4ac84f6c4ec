"""The recipe of PostgreSQL and Kafka Connect: killed, started again and read anew, its hours are exact."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient
from pytest_django import Settings

from counter.store.counts import CountStore
from tasks.publishing.flush import Flush
from tests.support.processes import ROOT, Process, run, wait_until
from tests.support.reading import DAY, HOUR, read_id_counts, recount
from tests.support.servers.kafka_connect import KafkaConnect
from tests.support.servers.postgres import USER, Postgres, running
from tests.support.tally.flushing import accept, next_minute

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
FOLDER = ROOT / "docs" / "recipes" / "postgresql"
IDS, SECONDS = 20_000, 240
GROUP = "connect-tally-id-counts"


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running() as postgres:
        with psycopg.connect(postgres.url) as client:
            client.execute((FOLDER / "tables.sql").read_text())
        yield postgres


@pytest.fixture
def worker(postgres: Postgres, tmp_path: Path, settings: Settings) -> Callable[[], Process]:
    connect = KafkaConnect()
    env = {
        "POSTGRESQL": f"jdbc:postgresql://127.0.0.1:{postgres.port}/{USER}?stringtype=unspecified",
        "POSTGRESQL_USER": USER,
        "POSTGRESQL_PASSWORD": "",
    }
    brokers = settings.KAFKA_BOOTSTRAP_SERVERS
    return lambda: connect.worker(brokers, FOLDER, tmp_path / "connect.log", env)


def ask(postgres: Postgres, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(postgres.url) as client:
        return client.execute(query).fetchall()


def rows(postgres: Postgres) -> int:
    [[count]] = ask(postgres, "SELECT count(*) FROM id_counts")
    return int(count)


def test_it_is_killed_and_has_every_record_once(
    postgres: Postgres,
    worker: Callable[[], Process],
    store: CountStore,
    kafka: None,
    settings: Settings,
) -> None:
    for shift in range(3):
        accept(store, *range(shift, IDS + shift), 7)
        next_minute(store)
    Flush(store.client).run()
    expected = len(list(read_id_counts()))
    connect = worker()
    with run(connect):
        wait_until(lambda: rows(postgres) > 0, f"it has kept something, see {connect.log}", SECONDS)
        connect.kill()
        assert rows(postgres) < expected, "it had not brought all of them"
    with run(worker()):
        wait_until(lambda: rows(postgres) == expected, "it has kept all of them", SECONDS)
    check(postgres)
    with AdminClient({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS}) as admin:
        wait_until(lambda: is_forgotten(admin), "its group is empty, and deleted")
        with run(worker()):
            wait_until(lambda: committed(admin) >= expected, "it has read all of them anew", SECONDS)
    check(postgres)


def is_forgotten(admin: AdminClient) -> bool:
    """Whether the offsets are gone: one that was killed stays a member for a while."""
    try:
        admin.delete_consumer_groups([GROUP])[GROUP].result()
    except KafkaException:
        return False
    return True


def committed(admin: AdminClient) -> int:
    """The offsets of its group, all together: transactions take some beside those of the records."""
    asked = [ConsumerGroupTopicPartitions(GROUP)]
    partitions = admin.list_consumer_group_offsets(asked)[GROUP].result().topic_partitions
    return sum(max(0, each.offset) for each in partitions or ())


def check(postgres: Postgres) -> None:
    for query, length in (("hours.sql", HOUR), ("days.sql", DAY)):
        found = ask(postgres, (FOLDER / query).read_text())
        told = [(str(begin)[:length], int(ids), int(calls)) for begin, _, ids, calls in found]
        assert told == recount(length)
    assert ask(postgres, (FOLDER / "top.sql").read_text())[0][1:] == ("7", 6)
    assert ask(postgres, "SELECT count(*) FROM id_count_records") == [(0,)]
