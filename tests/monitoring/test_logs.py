"""The logs of every process: JSON, with the id of the request, sampled where callers are many, no secrets."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from counter.redis.clients import connect
from counter.store.counts import CountStore
from counter.task_names import CALLBACK_QUEUES, FLUSH, FLUSH_QUEUE
from project.celery import app
from tests.support.logs import lines
from tests.support.processes import HOME, ServerProcess, run, run_python, wait_until
from tests.support.programs import celery
from tests.support.reset import new_topics
from tests.support.tally.flushing import accept, next_minute
from tests.support.tally.web import migrate, serving

ACCEPT = "/api/verve/accept"
SECRETS = {
    "ACCEPT_TOKEN": "open-sesame-42",
    "SECRET_KEY": 'a "quoted" signing key, long enough that nobody guesses it',
}


@dataclass
class System:
    """Web, a worker of both queues, and a beat."""

    url: str
    web: Path
    worker: Path
    beat: Path

    def worker_says(self, event: str) -> list[dict[str, Any]]:
        return [line for line in lines(self.worker) if line["event"] == event]

    def web_says(self, event: str) -> list[dict[str, Any]]:
        return [line for line in lines(self.web) if line["event"] == event]


@pytest.fixture(scope="module")
def system(valkey_process: ServerProcess, kafka_process: ServerProcess) -> Iterator[System]:
    with connect() as client:
        client.flushall()
    new_topics()
    migrate()
    queues = ",".join((FLUSH_QUEUE, *CALLBACK_QUEUES))
    worker = celery("json-worker", "worker", "--pool", "solo", "--queues", queues, **SECRETS)
    beat = celery("json-beat", "beat", "--pidfile=", **SECRETS)
    with ExitStack() as stack:
        url = stack.enter_context(serving("web", 1, "json-web.log", **SECRETS))
        for process in (worker, beat):
            stack.enter_context(run(process))
        wait_until(lambda: " ready." in worker.output, "the worker is ready")
        wait_until(lambda: "beat: Starting..." in beat.output, "beat runs")
        yield System(url, HOME / "json-web.log", worker.log, beat.log)


@pytest.fixture
def caller(system: System) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {SECRETS['ACCEPT_TOKEN']}"}
    with httpx.Client(base_url=system.url, headers=headers) as client:
        yield client


def test_every_line_is_json_and_says_when_where_and_how_bad(system: System) -> None:
    for log in (system.web, system.worker, system.beat):
        assert lines(log)
        for line in lines(log):
            assert {"event", "level", "logger", "timestamp"} <= set(line)
    [started] = system.web_says("worker started")
    assert started["logger"] == "project.workers"
    assert system.web_says(f"Started server process [{started['pid']}]")


def test_a_flush_logs_one_line_a_minute(system: System) -> None:
    store = CountStore.known(connect())
    minutes = []
    for _ in range(2):
        minutes.append(accept(store, 1, 2, 1))
        next_minute(store)
    app.send_task(FLUSH)
    wait_until(lambda: len(system.worker_says("published")) >= 2, "both minutes are published")
    said = system.worker_says("published")
    assert [line["minute"] for line in said] == [str(minute) for minute in minutes]
    # A commit takes an offset as well, and a tick of beat's may have come between the two.
    assert [line["offset"] for line in said] in ([0, 1], [0, 2])
    for line in said:
        assert (line["unique"], line["total"], line["attempt"]) == (2, 3, 1)
        assert line["lag"] == 0  # it is published before the clock says that it is over
        assert line["logger"] == "tasks.publishing.announcement"
        assert line["task_id"]


def test_the_id_of_a_request_goes_back_and_into_its_task(system: System, caller: httpx.Client) -> None:
    refused = "http://127.0.0.1/hook?password=hush-hush"
    answer = caller.get(ACCEPT, params={"id": 1, "endpoint": refused}, headers={"X-Request-ID": "call-7"})
    assert (answer.text, answer.headers["X-Request-ID"]) == ("ok", "call-7")
    wait_until(lambda: system.worker_says("callback"), "the endpoint is refused")
    [line] = system.worker_says("callback")
    assert (line["request_id"], line["outcome"], line["host"]) == ("call-7", "refused", "127.0.0.1")


@pytest.mark.parametrize("sent", ["", "two words", "x" * 200, 'quo"te'])
def test_an_id_that_is_not_well_formed_is_replaced(caller: httpx.Client, sent: str) -> None:
    answer = caller.get("/api/v1/published/", headers={"X-Request-ID": sent})
    assert len(answer.headers["X-Request-ID"]) == 36


def test_a_line_for_what_fails_or_changes_and_none_for_what_reads(
    system: System, caller: httpx.Client
) -> None:
    begin = len(lines(system.web))
    for path in ("/healthz", "/readyz", "/metrics", "/api/docs/", f"{ACCEPT}?id=1"):
        assert caller.get(path).is_success
    assert caller.post("/api/v1/accept/", json={"ids": [1]}).is_success
    assert caller.get("/api/v1/nowhere/?token=hush-hush", headers={"X-Request-ID": "lost"}).status_code == 404
    wait_until(lambda: len(lines(system.web)) > begin, "a line is there")
    [line] = lines(system.web)[begin:]
    assert (line["event"], line["code"]) == ("request_finished", 404)
    assert (line["request"], line["request_id"]) == ("GET /api/v1/nowhere/", "lost")


def test_refusals_are_sampled(system: System, caller: httpx.Client) -> None:
    def said() -> int:
        return sum(line["calls"] for line in system.web_says("calls refused") if line["reason"] == "bad_call")

    before, begin = said(), len(system.web_says("calls refused"))
    refused = 0
    for refused in count(1):
        assert caller.get(ACCEPT, params={"id": "x"}).status_code == 400
        if refused >= 200 and len(system.web_says("calls refused")) > begin + 1:
            break
    written = system.web_says("calls refused")[begin:]
    assert written[0]["why"] == "id must be an integer"
    assert len(written) < refused / 10
    assert 1 < said() - before <= refused


def test_a_call_without_the_token_is_logged_by_the_second(system: System) -> None:
    for _ in range(20):
        assert httpx.get(f"{system.url}{ACCEPT}", params={"id": 1}).status_code == 401
    written = [line for line in system.web_says("calls refused") if line["reason"] == "unauthorized"]
    assert 1 <= len(written) < 20


def test_no_secret_is_in_any_log(
    system: System, valkey: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "".join(log.read_text() for log in (system.web, system.worker, system.beat))
    for secret in (*SECRETS.values(), json.dumps(SECRETS["SECRET_KEY"])[1:-1], "hush-hush"):
        assert secret not in text


LEAK = """
import logging, structlog, django
django.setup()
from django.conf import settings
secret = settings.SECRET_KEY
structlog.get_logger("a").warning(f"the key is {secret}", key=secret, url=settings.REDIS_URL)
logging.getLogger("b").error("%s", [secret])
try:
    password = secret
    raise ValueError(secret)
except ValueError:
    logging.getLogger("c").exception("it went wrong")
logging.getLogger("d").error(settings.DATABASES["default"]["PASSWORD"])
"""


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_secret_that_gets_into_a_line_is_taken_out(format: str) -> None:
    env = {
        "LOG_FORMAT": format,
        "SECRET_KEY": SECRETS["SECRET_KEY"],
        "REDIS_URL": "redis://tally:correct-horse@localhost/0",
        "DATABASE_URL": "postgres://tally:battery-staple@localhost/tally",
    }
    said = python(LEAK, **env)
    assert said.count("***") >= 6
    assert "it went wrong" in said
    for secret in ("quoted", "correct-horse", "battery-staple"):
        assert secret not in said


def python(code: str, **env: str) -> str:
    return run_python(code, **env).stderr


def test_a_developer_reads_plain_lines() -> None:
    code = 'import django; django.setup(); import structlog; structlog.get_logger("a").info("hello", calls=3)'
    assert "[info     ] hello [a] calls=3\n" in python(code, DEBUG="true")
    assert json.loads(python(code))["calls"] == 3
