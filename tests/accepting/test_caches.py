"""No cache keeps an answer: in both lanes, refusals and errors too. The files of the pages may be kept."""

from collections.abc import Iterator

import httpx
import pytest

from counter.accepting.accept_call import PATH
from counter.accepting.batches.batch_call import MAX_BODY
from tests.support.processes import ServerProcess
from tests.support.tally.web import LANES, serving

BATCH = "/api/v1/accept/"
TOKEN = {"Authorization": "Bearer " + "let-me-count" * 3}
ASKED = [
    ("GET", f"{PATH}?id=1", 200),
    ("POST", f"{PATH}?id=1&endpoint=http://127.0.0.1/", 200),
    ("GET", f"{PATH}?id=x", 400),
    ("GET", f"{PATH}?id=x&endpoint=y", 400),
    ("PUT", f"{PATH}?id=1", 405),
    ("OPTIONS", f"{PATH}?id=1", 405),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/metrics", 200),
    ("GET", "/api/schema/", 200),
    ("GET", "/api/docs/", 200),
    ("GET", "/api/v1/minutes/", 401),
    ("GET", "/api/v1/nowhere/", 404),
    ("GET", "/nowhere", 404),
    ("GET", "/static/nothing.js", 404),
    ("GET", "/admin", 301),
    ("GET", "/admin/", 302),
    ("GET", "/admin/login/", 200),
    ("POST", "/admin/login/", 403),
]


@pytest.fixture(scope="module", params=LANES)
def url(request: pytest.FixtureRequest, valkey_process: ServerProcess, token: str) -> Iterator[str]:
    secret = TOKEN["Authorization"].partition(" ")[2]
    with serving(request.param, ACCEPT_TOKEN=secret, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1") as url:
        yield url


def is_kept_by_nobody(answer: httpx.Response) -> bool:
    return "no-store" in answer.headers.get("cache-control", "")


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
def test_no_cache_keeps_an_answer(url: str, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, url + path, headers=TOKEN if path.startswith(PATH) else {})
    assert answer.status_code == status
    assert is_kept_by_nobody(answer)


@pytest.mark.parametrize(
    ("content", "status"), [(b'{"ids": [1]}', 200), (b"[", 400), (bytes(MAX_BODY + 1), 413)]
)
def test_nor_that_of_a_batch(url: str, content: bytes, status: int) -> None:
    headers = TOKEN | {"Content-Type": "application/json"}
    answer = httpx.post(url + BATCH, content=content, headers=headers)
    assert answer.status_code == status
    assert is_kept_by_nobody(answer)


@pytest.mark.parametrize("path", [f"{PATH}?id=1", BATCH])
def test_nor_a_refusal(url: str, path: str) -> None:
    answer = httpx.post(url + path)
    assert answer.status_code == 401
    assert is_kept_by_nobody(answer)


@pytest.mark.parametrize("lane", LANES)
def test_nor_that_nothing_can_be_recorded(lane: str) -> None:
    with serving(lane, log="away.log", REDIS_URL="redis://127.0.0.1:1/0") as url:
        for path in (f"{PATH}?id=1", f"{PATH}?id=1&endpoint=http://x.example/", BATCH):
            answer = httpx.post(url + path, json={"ids": [1]})
            assert answer.status_code == 503
            assert is_kept_by_nobody(answer)


def test_nor_what_a_name_of_another_gets(url: str) -> None:
    answer = httpx.get(f"{url}/healthz", headers={"Host": "another.example"})
    assert answer.status_code == 400
    assert is_kept_by_nobody(answer)


def test_the_files_of_the_pages_are_kept(url: str) -> None:
    answer = httpx.get(f"{url}/static/console/console.css")
    assert answer.headers["cache-control"] == "max-age=60, public"
