"""Where ACCEPT_TOKEN is set, API tokens with the scope `accept` open the accept calls, too."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
import redis

from counter.accepting.accept_call import PATH
from tests.support.processes import wait_until
from tests.support.servers.postgres import Postgres, running
from tests.support.tally.web import DJANGO, WEB, manage, migrate, serving

BATCH = "/api/v1/accept/"
SECRET = "s3cret"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as postgres:
        migrate(DATABASE_URL=postgres.url)
        manage("createsuperuser", "--noinput", "--username=ada", "--email=", DATABASE_URL=postgres.url)
        yield postgres


def made(postgres: Postgres, scope: str) -> str:
    made = manage("create_token", "ada", "--name", scope, "--scope", scope, DATABASE_URL=postgres.url)
    return made.split()[2]


@contextmanager
def called(postgres: Postgres, lane: str) -> Iterator[httpx.Client]:
    with (
        serving(lane, ACCEPT_TOKEN=SECRET, DATABASE_URL=postgres.url) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def statuses(client: httpx.Client, token: str, scheme: str = "Bearer ") -> set[int]:
    """Of a call and of a batch."""
    headers = {"Authorization": f"{scheme}{token}"}
    single = client.get(PATH, params={"id": 1}, headers=headers)
    return {single.status_code, client.post(BATCH, json={"ids": [1]}, headers=headers).status_code}


@pytest.mark.parametrize("lane", [WEB, pytest.param(DJANGO, marks=pytest.mark.slow)])
def test_it_opens_both_calls_until_it_is_revoked(postgres: Postgres, lane: str, valkey: redis.Redis) -> None:
    accepting, reading = made(postgres, "accept"), made(postgres, "read")
    with called(postgres, lane) as client:
        wait_until(lambda: statuses(client, accepting) == {200}, "it is known")
        assert statuses(client, SECRET) == {200}
        for scheme in ("", "Token "):
            assert statuses(client, accepting, scheme) == {401}
        assert statuses(client, reading) == {401}
        new = made(postgres, "accept")
        wait_until(lambda: statuses(client, new) == {200}, "a new one is known")
        wait_until(lambda: used(postgres) == 2, "its use is noted")
        manage("revoke_token", "ada", DATABASE_URL=postgres.url)
        wait_until(lambda: statuses(client, accepting) == {401}, "it is revoked")
        assert statuses(client, SECRET) == {200}


def used(postgres: Postgres) -> int:
    with psycopg.connect(postgres.url) as client:
        query = "SELECT count(*) FROM counter_apitoken WHERE scope = 'accept' AND last_used_at IS NOT NULL"
        [count] = client.execute(query).fetchone() or [0]
        return int(count)


def test_what_was_known_holds_while_the_database_hangs(postgres: Postgres, valkey: redis.Redis) -> None:
    token = made(postgres, "accept")
    with called(postgres, "web") as client:
        wait_until(lambda: statuses(client, token) == {200}, "it is known")
        with postgres.stopped():
            assert statuses(client, token) == {200}
            assert statuses(client, "wrong") == {401}


def test_before_the_database_has_answered_a_token_may_be_right(
    postgres: Postgres, valkey: redis.Redis
) -> None:
    token = made(postgres, "accept")
    with postgres.stopped(), called(postgres, "web") as client:
        single = client.get(PATH, params={"id": 1}, headers={"Authorization": f"Bearer {token}"})
        assert (single.status_code, single.text) == (503, "failed")
        assert int(single.headers["retry-after"]) > 0
        assert statuses(client, token) == {503}
        assert client.get(PATH, params={"id": 1}).status_code == 401
        assert statuses(client, SECRET) == {200}


def test_those_of_before_are_hashed_and_go_on_working(postgres: Postgres, valkey: redis.Redis) -> None:
    """As Django REST framework kept them, in the clear."""
    migrate("counter", "0004", DATABASE_URL=postgres.url)
    with psycopg.connect(postgres.url) as client:
        client.execute("CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, user_id integer)")
        client.execute("INSERT INTO authtoken_token SELECT 'of-before', id FROM auth_user")
    migrate(DATABASE_URL=postgres.url)
    with psycopg.connect(postgres.url) as client:
        assert client.execute("SELECT count(*) FROM authtoken_token").fetchone() == (0,)
    with serving("web", DATABASE_URL=postgres.url) as url:
        answer = httpx.get(f"{url}/api/v1/published/", headers={"Authorization": "Bearer of-before"})
        assert answer.status_code == 200
