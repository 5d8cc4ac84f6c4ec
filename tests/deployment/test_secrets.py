"""Secrets in the settings, while everything fails: they are in no line, no answer and no metric."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from embedded.ports import free_port
from tests.support.processes import HOME, LAUNCHER, Process, run, wait_until
from tests.support.programs import tally
from tests.support.tally.web import serving

MARK = "marked-so-that-it-is-seen"
PROGRAMS = ("worker", "callbacks", "beat")
TROUBLE = re.compile("Cannot connect|Error").search
PATHS = (
    "/api/verve/accept?id=1",
    f"/api/verve/accept?id=1&endpoint=https://ada:{MARK}@example.com/{MARK}",
    f"/api/verve/accept?id={MARK}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/minutes/",
    "/api/v1/published/",
    "/api/v1/nowhere/",
    "/admin/",
    "/admin/login/",
)


def secrets(redis: int, kafka: int, postgres: int) -> dict[str, str]:
    """The settings of programs that know all secrets, and go to servers on these ports."""
    return {
        "SECRET_KEY": f"{MARK}-in-the-key-that-signs-sessions",
        "ACCEPT_TOKEN": f"{MARK}-as-token",
        "REDIS_URL": f"redis://tally:{MARK}-redis@127.0.0.1:{redis}/0",
        "CELERY_BROKER_URL": f"redis://tally:{MARK}-broker@127.0.0.1:{redis}/0",
        "DATABASE_URL": f"postgres://tally:{MARK}-postgres@127.0.0.1:{postgres}/tally",
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "tally",
        "KAFKA_SASL_PASSWORD": f"{MARK}-kafka",
    }


@pytest.fixture(params=["away", pytest.param("refusing", marks=pytest.mark.slow)])
def env(request: pytest.FixtureRequest) -> dict[str, str]:
    """Redis and Kafka are not there, or know nobody of that name; PostgreSQL is not there."""
    if request.param == "away":
        return secrets(free_port(), free_port(), free_port())
    request.getfixturevalue("valkey_process")
    request.getfixturevalue("kafka_process")
    return secrets(int(os.environ["REDIS_PORT"]), int(os.environ["KAFKA_PORT"]), free_port())


def test_no_secret_is_shown(env: dict[str, str], tmp_path: Path) -> None:
    programs = [tally(name, log=tmp_path / name, env=env) for name in PROGRAMS]
    with ExitStack() as stack:
        for program in programs:
            stack.enter_context(run(program))
        url = stack.enter_context(serving("web", 1, "secrets.log", **env))
        shown = [*told(url, env["ACCEPT_TOKEN"]), said("pending", env), said("migrate", env)]
        for program in programs:
            wait_until(partial(has_trouble, program), f"it has trouble, see {program.log}")
    shown += [log.read_text() for log in (HOME / "secrets.log", *(program.log for program in programs))]
    for text in shown:
        assert MARK not in text
    assert any("The database does not answer" in text for text in shown), "also where a page can't be"


@pytest.mark.parametrize("name", ["REDIS_URL", "DATABASE_URL", "CELERY_BROKER_URL"])
def test_not_even_of_an_url_that_can_not_be_read(name: str) -> None:
    """A password with a slash in it, for one, ends the name of the host."""
    scheme = "postgres" if name == "DATABASE_URL" else "redis"
    text = said("check", {name: f"{scheme}://tally:{MARK}/more@localhost:1/0"})
    assert MARK not in text


def has_trouble(program: Process) -> bool:
    return bool(TROUBLE(program.output))


def said(command: str, env: dict[str, str]) -> str:
    """What a command writes that can't do its work."""
    done = subprocess.run(
        [LAUNCHER, command],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


def told(url: str, token: str) -> Iterator[str]:
    """All that callers are told: those who know the token, a stranger, and one who wants to log in."""
    for headers in ({"Authorization": f"Bearer {token}"}, {}):
        with httpx.Client(base_url=url, headers=headers, timeout=60) as caller:
            for path in PATHS:
                yield shown(caller.get(path))
            [secret] = set(
                re.findall(r'csrfmiddlewaretoken" value="(\w+)"', caller.get("/admin/login/").text)
            )
            form = {"username": "ada", "password": MARK, "csrfmiddlewaretoken": secret}
            yield shown(caller.post("/admin/login/", data=form))


def shown(answer: httpx.Response) -> str:
    return f"{answer.headers}{answer.text}"
