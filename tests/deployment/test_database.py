"""A database that hangs holds up neither publishing nor settling, nor a page for more than two seconds."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from counter.accepting.accept_call import PATH
from counter.store.counts import CountStore
from tests.faults.tally import Tally
from tests.support.processes import run, wait_until
from tests.support.programs import tally
from tests.support.servers.postgres import Postgres, running
from tests.support.tally.web import DJANGO, WEB, manage, migrate, serving

TABLES = ("counter_publishedminute", "django_session", "counter_apitoken", "auth_user")
COUNT = "SELECT count(*) FROM counter_publishedminute"
PAGES = ("/admin/", "/admin/counter/publishedminute/", "/api/v1/published/", "/api/v1/minutes/")
AT_ONCE = 4
PAGE_SECONDS = 2.0
FLUSH_SECONDS = 10.0
"""For what takes half a second on a machine that has nothing else to do; what hangs does so for good."""


@dataclass(frozen=True)
class Database:
    """A database, and how it is made to hang."""

    url: str
    rows: Callable[[], int]
    hanging: Callable[[], AbstractContextManager[object]]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as postgres:
        migrate(DATABASE_URL=postgres.url)
        yield postgres


def of_postgres(postgres: Postgres, *, is_stopped: bool) -> Database:
    @contextmanager
    def locked() -> Iterator[None]:
        with psycopg.connect(postgres.url) as holder:
            holder.execute(f"LOCK TABLE {', '.join(TABLES)}")
            yield

    def rows() -> int:
        with psycopg.connect(postgres.url) as client:
            [count] = client.execute(COUNT).fetchone() or [0]
            return int(count)

    return Database(postgres.url, rows, postgres.stopped if is_stopped else locked)


def of_sqlite(path: Path) -> Database:
    @contextmanager
    def locked() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            yield

    def rows() -> int:
        with closing(sqlite3.connect(path, timeout=60)) as client:
            return int(client.execute(COUNT).fetchone()[0])

    migrate(DATABASE_URL=f"sqlite:///{path}")
    return Database(f"sqlite:///{path}", rows, locked)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "SQLite-locked":
        return of_sqlite(tmp_path / "tally.sqlite3")
    postgres = request.getfixturevalue("postgres")
    with psycopg.connect(postgres.url) as client:
        client.execute("TRUNCATE counter_publishedminute")
    return of_postgres(postgres, is_stopped=request.param == "PostgreSQL-stopped")


def end_minute(system: Tally) -> None:
    system.accept(1, 1, 2)
    system.end_minute()
    system.flush()


@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize(
    "database",
    [
        "PostgreSQL-locked",
        pytest.param("PostgreSQL-stopped", marks=pytest.mark.slow),
        pytest.param("SQLite-locked", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_minutes_are_published_and_settled_and_the_history_is_filled_in_later(
    database: Database, valkey: redis.Redis, tmp_path: Path
) -> None:
    """More of them than the worker has processes."""
    worker = tally("worker", log=tmp_path / "worker.log", env={"DATABASE_URL": database.url})
    with closing(Tally(valkey, CountStore.known(valkey))) as system, run(worker):
        end_minute(system)
        wait_until(database.rows, "the history is written")
        with database.hanging():
            for _ in range(4):
                begin = time.monotonic()
                end_minute(system)
                assert time.monotonic() - begin < FLUSH_SECONDS
        assert "the history waits" in worker.output
        end_minute(system)
        wait_until(lambda: database.rows() == len(system.log), "what was missed is filled in")
        system.verify()


@pytest.mark.timed
@pytest.mark.parametrize(
    ("database", "lane"),
    [
        pytest.param("PostgreSQL-locked", WEB, marks=pytest.mark.slow),
        ("PostgreSQL-stopped", WEB),
        ("PostgreSQL-stopped", DJANGO),
        ("SQLite-locked", WEB),
    ],
    indirect=["database"],
)
def test_no_page_waits_longer_than_two_seconds(database: Database, lane: str, valkey: redis.Redis) -> None:
    name = f"ada-{time.time_ns()}"
    secrets = {"DATABASE_URL": database.url, "DJANGO_SUPERUSER_PASSWORD": "lovelace"}
    manage("createsuperuser", "--noinput", "--username", name, "--email", "", **secrets)
    token = manage("create_token", name, **secrets).split()[2]
    with serving(lane, DATABASE_URL=database.url) as url, httpx.Client(base_url=url, timeout=30) as client:
        login(client, name)
        bearer = {"Authorization": f"Bearer {token}"}

        def get(page: str) -> tuple[int, float]:
            begin = time.monotonic()
            answer = client.get(page, headers=bearer if page.startswith("/api/") else {})
            return answer.status_code, time.monotonic() - begin

        assert {get(page)[0] for page in PAGES} == {200}
        with database.hanging(), ThreadPoolExecutor(AT_ONCE) as callers:
            for page in PAGES:
                answers = list(callers.map(get, [page] * AT_ONCE))
                assert {status for status, _ in answers} == {503}
                assert max(seconds for _, seconds in answers) < PAGE_SECONDS
            assert "The database does not answer" in client.get(PAGES[0]).text
            assert client.get(PAGES[2], headers=bearer).json()["detail"].startswith("the database")
            assert client.get(PATH, params={"id": 7}).text == "ok"
        assert {get(page)[0] for page in PAGES} == {200}


def login(client: httpx.Client, name: str) -> None:
    client.get("/admin/login/")
    secret = client.cookies["csrftoken"]
    form = {"username": name, "password": "lovelace", "csrfmiddlewaretoken": secret}
    assert client.post("/admin/login/", data=form).status_code == 302


def test_nothing_piles_up_behind_a_lock(postgres: Postgres) -> None:
    """What nobody waits for any more, the server gives up as well."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    database = of_postgres(postgres, is_stopped=False)
    with (
        serving(DATABASE_URL=database.url) as url,
        httpx.Client(base_url=url, cookies={"sessionid": "x" * 32}) as client,
        psycopg.connect(postgres.url, autocommit=True) as observer,
        database.hanging(),
    ):
        assert client.get("/api/v1/published/").status_code == 503

        def is_over() -> bool:
            [count] = observer.execute(waiting).fetchone() or [1]
            return not count

        wait_until(is_over, "the server has given up", 10)
