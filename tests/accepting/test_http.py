"""HTTP as the standard has it, by raw sockets, over both lanes of the web server."""

import threading
from collections.abc import Iterator
from signal import SIGCONT, SIGSTOP

import httpx
import pytest
import redis

from counter.accepting.accept_call import PATH
from counter.accepting.batches.batch_call import MAX_BODY
from counter.accepting.http.bounded_protocol import MAX_HEAD
from counter.store.counts import CountStore
from tests.support.callers.raw import Caller, call, calling, get
from tests.support.processes import ServerProcess, wait_until
from tests.support.tally.web import DJANGO, metric, serving

CHUNKED = "Transfer-Encoding: chunked"
ENDPOINT = "7&endpoint=http://127.0.0.1/"


@pytest.fixture(scope="module")
def url(valkey_process: ServerProcess) -> Iterator[str]:
    with serving(log="http.log") as url:
        yield url


@pytest.fixture(scope="module")
def django(valkey_process: ServerProcess) -> Iterator[str]:
    """Django alone, whose word is the measure."""
    with serving(DJANGO, log="http-django.log") as url:
        yield url


@pytest.fixture
def caller(url: str, valkey: redis.Redis) -> Iterator[Caller]:
    wait_until(lambda: httpx.get(f"{url}{PATH}?id=0").text == "ok", "accepting")
    valkey.flushall()
    with calling(url) as caller:
        yield caller


def total(store: CountStore) -> int:
    return sum(stats.total for stats in store.stats(store.pending()))


def test_pipelined_requests_of_both_lanes_are_answered_in_order(caller: Caller, store: CountStore) -> None:
    caller.send(
        call(1)
        + get("/healthz")
        + call("x")
        + call(2, method="PUT")
        + call(3)
        + call(ENDPOINT)
        + get("/nowhere")
        + call(4, "Connection: close")
        + call(5)
    )
    assert [answer.status for answer in caller.answers()] == [200, 200, 400, 405, 200, 200, 404, 200]
    assert total(store) == 4, "not the one after the last"


def test_however_many_are_pipelined(caller: Caller, store: CountStore) -> None:
    caller.send(b"".join(call(id) + call("x") * 30 for id in range(100)))
    answers = [caller.answer() for _ in range(3100)]
    assert [answer.status for answer in answers] == ([200] + [400] * 30) * 100
    assert total(store) == 100


def test_a_request_may_come_byte_by_byte(caller: Caller, store: CountStore) -> None:
    for byte in call(1) + call(2, CHUNKED, method="POST", body=b"1\r\nx\r\n0\r\n\r\n"):
        caller.send(bytes([byte]))
    assert [caller.answer().body for _ in range(2)] == [b"ok", b"ok"]
    assert total(store) == 2


@pytest.mark.parametrize(
    ("version", "header", "closes"),
    [
        ("1.1", "Connection: keep-alive", False),
        ("1.1", "Connection: close", True),
        ("1.0", "Accept: */*", True),
    ],
)
def test_a_connection_stays_unless_its_caller_wants_it_closed(
    caller: Caller, version: str, header: str, closes: bool
) -> None:
    caller.send(call(1, header, version=version))
    answer = caller.answer()
    assert (answer.body, answer.is_last) == (b"ok", closes)
    if closes:
        assert caller.is_closed()
    else:
        caller.send(call(2))
        assert caller.answer().body == b"ok"


def test_every_answer_has_its_date(caller: Caller) -> None:
    caller.send(call(1))
    assert caller.answer().headers["Date"].endswith("GMT")


def test_who_expects_to_be_asked_for_the_body_is(caller: Caller, store: CountStore) -> None:
    caller.send(call(1, "Expect: 100-continue", "Content-Length: 3", method="POST"))
    assert caller.answer().status == 100
    assert total(store) == 0, "it has not come yet"
    caller.send(b"abc" + call(2))
    assert [caller.answer().body for _ in range(2)] == [b"ok", b"ok"]
    assert total(store) == 2


DIFFERENT = {
    "HEAD": call(1, method="HEAD"),
    "OPTIONS": call(1, method="OPTIONS"),
    "PUT": call(1, method="PUT"),
    "DELETE": call(1, method="DELETE"),
    "PATCH": call(1, method="PATCH"),
    "POST": call(1, "Content-Length: 0", method="POST"),
    "no length": call(1, method="POST"),
    "a body": call(1, "Content-Length: 4", method="POST", body=b"id=2"),
    "a body of a GET": call(1, "Content-Length: 4", body=b"id=2"),
    "a form": call(
        1, "Content-Type: application/x-www-form-urlencoded", "Content-Length: 4", method="POST", body=b"id=2"
    ),
    "chunks": call(1, CHUNKED, method="POST", body=b"1\r\na\r\n0\r\n\r\n"),
    "chunks with a trailer": call(1, CHUNKED, method="POST", body=b"1;x=y\r\na\r\n0\r\nT: 1\r\n\r\n"),
    "an absolute target": b"GET http://localhost" + call(1)[4:],
    "an absolute target without a path": b"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a fragment": call("1#x"),
    "a quoted path": b"GET /api/verve/%61ccept?id=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a slash too many": b"GET /api/verve/accept/?id=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a longer path": b"GET /x/api/verve/accept?id=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "the path in a query": b"GET /nowhere?/api/verve/accept?id=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no query": b"GET /api/verve/accept HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an empty query": b"GET /api/verve/accept? HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a quoted id": call("%37"),
    "a quoted name": b"GET /api/verve/accept?%69d=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two ids": call("1&id=1"),
    "another name": call("1&x=%FF%00"),
    "a plus": call("+7"),
    "many zeros": call("0" * 90 + "1"),
    "too many digits": call("1" * 101),
    "the largest": call(2**63 - 1),
    "one more": call(2**63),
    "no UTF-8, quoted": call("%FF"),
    "no UTF-8": call(1)[:30] + b"\xff" + call(1)[30:],
    "UTF-8": call(1)[:30] + "é".encode() + call(1)[30:],
    "a zero byte": call("1%00"),
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "CONNECT": b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an upgrade": call(1, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    "a websocket": call(1, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"),
    "two lengths": call(1, "Content-Length: 1", "Content-Length: 1", body=b"a"),
    "two different lengths": call(1, "Content-Length: 1", "Content-Length: 2", body=b"ab"),
    "a length and chunks": call(1, "Content-Length: 1", CHUNKED, method="POST", body=b"0\r\n\r\n"),
    "chunks and a length": call(1, CHUNKED, "Content-Length: 1", method="POST", body=b"0\r\n\r\n"),
    "a coding that is not the last": call(1, "Transfer-Encoding: chunked, gzip", method="POST"),
    "no length that is one": call(1, "Content-Length: x", method="POST"),
    "a length below zero": call(1, "Content-Length: -1", method="POST"),
    "a malformed chunk": call(1, CHUNKED, method="POST", body=b"x\r\na\r\n0\r\n\r\n"),
    "a chunk that is too long": call(1, CHUNKED, method="POST", body=b"1\r\nab\r\n0\r\n\r\n"),
    "a space before the colon": call(1, "A : b"),
    "a folded header": call(1, "A: b\r\n c"),
    "a header without a name": call(1, ": b"),
    "a bare line feed": call(1).replace(b"\r\n", b"\n"),
    "no version": b"GET /api/verve/accept?id=1\r\nHost: localhost\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_both_lanes_say_the_same_and_count_the_same(
    url: str, django: str, store: CountStore, name: str
) -> None:
    answers, totals = [], []
    for server in (url, django):
        with calling(server) as caller:
            caller.send(DIFFERENT[name])
            answers.append(caller.answer("HEAD" if name == "HEAD" else "GET"))
            totals.append(total(store))
    web, alone = answers
    assert web.status == alone.status < 500
    assert totals[1] == 2 * totals[0] == (2 if web.status == 200 and web.body == b"ok" else 0)
    if web.status == 405:
        assert web.headers["Allow"] == alone.headers["Allow"] == "GET, POST"
    if alone.body == b"failed":
        assert (web.body, web.headers["Content-Type"]) == (alone.body, alone.headers["Content-Type"])


def test_what_is_no_http_does_not_take_the_answers_before_it(caller: Caller, store: CountStore) -> None:
    caller.send(call(1) + get("/healthz") + call(2) + b"no http\r\n\r\n" + call(3))
    assert [answer.status for answer in caller.answers()] == [200, 200, 200, 400]
    assert total(store) == 2


def test_a_caller_that_has_said_all_is_answered(caller: Caller, store: CountStore) -> None:
    caller.send(call(1) + get("/healthz") + call(2))
    caller.end()
    assert [answer.status for answer in caller.answers()] == [200, 200, 200]
    assert total(store) == 2


def test_half_a_request_behind_whole_ones_takes_no_answer(caller: Caller, store: CountStore) -> None:
    caller.send(call(1) + call(2, "Content-Length: 3", method="POST", body=b"a"))
    caller.end()
    assert [answer.status for answer in caller.answers()] == [200]
    assert total(store) == 1


@pytest.mark.parametrize("size", [MAX_HEAD // 2, 10 * MAX_HEAD])
@pytest.mark.parametrize("where", ["header", "headers", "query"])
def test_headers_have_a_bound(caller: Caller, store: CountStore, size: int, where: str) -> None:
    wide = {
        "header": call(1, f"X: {'x' * size}"),
        "headers": call(1, *(f"X-{n}: y" for n in range(size // 8))),
        "query": call(f"1&x={'x' * size}"),
    }[where]
    caller.send(wide)
    answer = caller.answer()
    assert answer.status == (200 if size < MAX_HEAD else 431)
    assert total(store) == (size < MAX_HEAD)


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY + 1])
def test_a_body_of_a_call_is_read_and_has_a_bound(caller: Caller, store: CountStore, size: int) -> None:
    caller.send(call(1, f"Content-Length: {size}", method="POST", body=bytes(size)) + call(2))
    assert caller.answer().status == (200 if size == MAX_BODY else 413)
    caller.end()
    assert caller.answer().status == (200 if size == MAX_BODY else 0)
    assert total(store) == (2 if size == MAX_BODY else 0)


def test_trailers_have_a_bound(caller: Caller, store: CountStore) -> None:
    caller.send(call(1, CHUNKED, method="POST", body=b"0\r\n"))
    caller.send(b"".join(b"T%d: x\r\n" % n for n in range(300_000)))
    assert caller.answer().status == 413
    assert total(store) == 0


def test_callers_that_hang_up_take_no_answer_of_others(
    url: str, caller: Caller, store: CountStore, valkey_process: ServerProcess
) -> None:
    caller.send(call(0))
    assert caller.answer().body == b"ok"  # the script is known to Redis
    valkey_process.send(SIGSTOP)
    try:
        for id in range(1, 10):
            with calling(url) as other:
                other.send(call(id))
        caller.send(call(10))
        httpx.get(f"{url}/healthz")  # it came after them, so they have been read
    finally:
        valkey_process.send(SIGCONT)
    assert caller.answer().status in (200, 503), "on a slow machine it took too long"
    wait_until(lambda: is_ok(caller), "accepting again")


def is_ok(caller: Caller) -> bool:
    caller.send(call(11))
    return caller.answer().body == b"ok"


@pytest.mark.slow
def test_who_does_not_read_answers_is_not_read_from(caller: Caller) -> None:
    calls, wide = 50_000, call("x", f"X: {'x' * 1000}")  # more than the system's buffers hold, both ways
    sender = threading.Thread(target=caller.send, args=(wide * calls,))
    sender.start()
    sender.join(5)
    assert sender.is_alive(), "the server has stopped to read"
    assert [caller.answer().status for _ in range(calls)] == [400] * calls
    sender.join()


def test_what_is_refused_is_counted_and_logged_by_the_second(url: str, caller: Caller) -> None:
    name = 'tally_refused_calls_total{reason="connection"}'
    before = metric(url, name)
    for _ in range(20):
        with calling(url) as other:
            other.send(b"no http\r\n\r\n")
            assert other.answer().status == 400
    assert metric(url, name) == before + 20


def test_who_sends_too_much_reads_the_answer(url: str, valkey: redis.Redis) -> None:
    too_much = bytes(20 * MAX_BODY)
    for path in ("/api/v1/accept/", "/healthz"):
        with calling(url) as other:
            other.send(get(path, f"Content-Length: {len(too_much)}") + too_much)
            assert other.answer().status == 413
