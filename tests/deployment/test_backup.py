"""The database, put back from its dump as docs/operations.md says: who was let in is let in again."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support.servers.postgres import Postgres, running
from tests.support.tally.web import manage, migrate, serving

LOGIN = "/admin/login/"
FILL = """
from datetime import datetime, UTC
from django.contrib.auth.models import User
from counter.models import ApiToken, PublishedMinute
now = datetime.now(UTC)
PublishedMinute.objects.create(
    key="202611230801", start=now, unique=3, total=5,
    published_at=now, lag_seconds=0.2, partition=0, offset=7, attempts=1,
)
ada = User.objects.create_superuser("ada", password="lovelace")
print(ApiToken.objects.issue(ada, "tests", "read"))
"""


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running() as postgres:
        yield postgres


@pytest.fixture
def empty() -> Iterator[Postgres]:
    """Another one, without a table."""
    with running() as postgres:
        yield postgres


@pytest.mark.slow
@pytest.mark.usefixtures("valkey_process")
def test_a_dump_brings_back_accounts_tokens_and_history(postgres: Postgres, empty: Postgres) -> None:
    migrate(DATABASE_URL=postgres.url)
    token = manage("shell", "--verbosity=0", "--command", FILL, DATABASE_URL=postgres.url).strip()

    dump = str(postgres.home / "tally.dump")
    postgres.run("pg_dump", "--format=custom", f"--file={dump}", postgres.url)
    empty.run("pg_restore", "--exit-on-error", f"--dbname={empty.url}", dump)

    manage("migrate", "--check", DATABASE_URL=empty.url)  # nothing is left to do
    with serving("web", 1, DATABASE_URL=empty.url) as url, httpx.Client(base_url=url) as caller:
        answer = caller.get("/api/v1/published/", headers={"Authorization": f"Bearer {token}"})
        [minute] = answer.raise_for_status().json()["results"]
        assert (minute["minute"], minute["unique"], minute["offset"]) == ("202611230801", 3, 7)
        [secret] = set(re.findall(r'csrfmiddlewaretoken" value="(\w+)"', caller.get(LOGIN).text))
        form = {"username": "ada", "password": "lovelace", "csrfmiddlewaretoken": secret}
        assert caller.post(LOGIN, data=form).status_code == 302
