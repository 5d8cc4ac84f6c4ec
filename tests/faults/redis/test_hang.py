"""A Redis that hangs: every page and call is answered within 2 seconds, also when four are asked at once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from signal import SIGCONT, SIGSTOP

import httpx
import pytest
import redis

from tests.support.processes import ServerProcess, wait_until
from tests.support.tally.web import serving

pytestmark = pytest.mark.timed

SECONDS = 2.0
AT_ONCE = 4

MINUTE = "202611230801"
API = ("/api/v1/minutes/", f"/api/v1/minutes/{MINUTE}/")
PENDING = "/admin/counter/pendingminute/"
CONSOLE = (
    "/admin/",
    f"{PENDING}live/",
    f"{PENDING}{MINUTE}/",
    f"{PENDING}{MINUTE}/live/",
    f"{PENDING}{MINUTE}/top/",
    *(f"{PENDING}panels/{name}/" for name in ("Redis", "Kafka", "Events", "Beat", "Workers")),
)
CALLS = ("/api/verve/accept?id=1", "/api/verve/accept?id=1&endpoint=http://localhost/", "/readyz", "/metrics")


@contextmanager
def hung(process: ServerProcess) -> Iterator[None]:
    process.send(SIGSTOP)
    try:
        yield
    finally:
        process.send(SIGCONT)


@pytest.fixture
def client(valkey: redis.Redis, kafka: None, token: str) -> Iterator[httpx.Client]:
    """Of somebody who may do everything."""
    with serving() as url, httpx.Client(base_url=url, timeout=60) as client:
        page = client.get("/admin/login/")
        form = {"username": "ada", "password": "lovelace", "csrfmiddlewaretoken": page.cookies["csrftoken"]}
        assert client.post("/admin/login/", data=form).status_code == 302
        client.headers["Authorization"] = f"Bearer {token}"
        wait_until(lambda: client.get("/readyz").json()["status"] == "ok", "all is well")
        yield client


def asked(client: httpx.Client, path: str) -> tuple[float, int]:
    begin = time.monotonic()
    status = client.get(path).status_code
    return time.monotonic() - begin, status


def test_every_answer_comes_in_time(client: httpx.Client, valkey_process: ServerProcess) -> None:
    for path in (*API, *CONSOLE, *CALLS):
        assert asked(client, path)[1] < 500, path
    slow = []
    with ThreadPoolExecutor(AT_ONCE) as callers, hung(valkey_process):
        for path in (*API, *CONSOLE, *CALLS):
            for seconds, status in callers.map(lambda path: asked(client, path), [path] * AT_ONCE):
                if seconds > SECONDS:
                    slow.append((path, seconds))
                assert status == 503 or path in CONSOLE or path == "/metrics", (path, status)
        batch = {"ids": [1, 2, 3]}
        begin = time.monotonic()
        answers = list(callers.map(lambda _: client.post("/api/v1/accept/", json=batch), range(AT_ONCE)))
        assert time.monotonic() - begin < SECONDS
        assert {answer.status_code for answer in answers} == {503}
    assert not slow
    wait_until(lambda: asked(client, API[0])[1] == 200, "pages are back")
    wait_until(lambda: asked(client, CALLS[0])[1] == 200, "calls are accepted again")


def test_asking_for_a_flush_is_answered_in_time(client: httpx.Client, valkey_process: ServerProcess) -> None:
    client.get("/admin/")
    form = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
    with hung(valkey_process):
        begin = time.monotonic()
        assert client.post(f"{PENDING}flush/", data=form).status_code == 302
        assert time.monotonic() - begin < SECONDS
