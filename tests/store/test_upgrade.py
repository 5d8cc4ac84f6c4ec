"""What an earlier version has left is read by this one."""

import sqlite3
from pathlib import Path

import pytest
import redis

from counter.store.counts import CountStore
from tasks.publishing import flush
from tests.support.reading import id_counts, unique_counts
from tests.support.tally.flushing import run
from tests.support.tally.web import migrate

# In the words of the contract, and not by any code of this version.
WRITTEN = """
SET 202601010000_42 2
SET 202601010000_-7 1
RPUSH tally:ids:202601010000 42 -7
HSET tally:stats:202601010000 unique 2 total 3
ZADD tally:pending 202601010000 202601010000
SET tally:first 202601010000
SET tally:sealed 202601010000
"""


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_counts_that_wait_in_redis_are_published(
    valkey: redis.Redis, store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flush, "BUDGET_SECONDS", 1)  # not all idle minutes since
    for line in WRITTEN.split("\n")[1:-1]:
        valkey.execute_command(*line.split())  # type: ignore[no-untyped-call]
    run(store)
    assert unique_counts()[0] == ("202601010000", 2, 3)
    assert id_counts()["202601010000"] == {42: 2, -7: 1}
    assert list(valkey.scan_iter("*202601010000*")) == []


def test_the_history_is_kept_through_the_migrations(tmp_path: Path) -> None:
    file = tmp_path / "tally.sqlite3"
    database = f"sqlite:///{file}"
    migrate("counter", "0001", DATABASE_URL=database)
    columns = 'minute, "unique", total, published_at, lag_seconds, partition, "offset", attempts'
    with sqlite3.connect(file) as connection:
        values = "'202601010000', 2, 3, '2026-01-01 00:01:00', 1.5, 0, 5, 1"
        connection.execute(f"INSERT INTO counter_publishedminute ({columns}) VALUES ({values})")
    migrate(DATABASE_URL=database)
    with sqlite3.connect(file) as connection:
        rows = list(connection.execute("SELECT minute, total FROM counter_publishedminute"))
        values = "'202601010001', 4, 5, '2026-01-01 00:02:00', 1.5, 0, 6, 1, '2026-01-01 00:01:00'"
        # As the version before counters goes on to write, and to read.
        connection.execute(f"INSERT INTO counter_publishedminute ({columns}, start) VALUES ({values})")
        both = list(connection.execute("SELECT minute, counter, minute_of_key FROM counter_publishedminute"))
    assert rows == [("202601010000", 3)]
    assert both == [(minute, "", minute) for minute in ("202601010000", "202601010001")]
