"""Any bytes to every entrance: both lanes agree, nothing is a 500, and only what was answered ok is counted.

A short one is a part of `make test`; `make fuzz` goes on for as long as it is told.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from counter.accepting.accept_call import PATH
from counter.counters import DEFAULT
from counter.redis.clients import connect
from counter.store.pending import PendingMinutes
from project.telemetry.log_bounds import MAX_LINE
from tests.fuzz import corpus
from tests.fuzz.wire import agree, ask, exchange
from tests.support.processes import HOME, ServerProcess
from tests.support.reset import empty
from tests.support.tally.web import LANES, serving

ENDPOINT = b"endpoint=http://127.0.0.1:1/"
bits = st.sampled_from(
    [
        b"id=",
        b"id=1",
        b"&",
        b"=",
        b"%",
        b"%2",
        b"%31",
        b"%d9%a1",
        b"+7",
        b"counter=",
        b"counter=clicks",
        b"counter=%63licks&id=",
        b"id=3f9a",
        b"id=%C3%A4",
        b"%00",
        b"%20",
        b"#",
        b";",
        b"\xd9\xa1",
        ENDPOINT,
        b"?",
        b"/",
    ]
)
queries = st.binary(max_size=60) | st.lists(bits | st.binary(max_size=3), max_size=9).map(b"".join)


@pytest.fixture(scope="module")
def ports(valkey_process: ServerProcess) -> Iterator[list[int]]:
    """Of a web server for each lane, with a named counter."""
    with ExitStack() as stack, connect() as client:
        empty(client)
        stack.enter_context(override_settings(COUNTERS=("clicks",)))
        urls = [
            stack.enter_context(serving(lane, log=f"fuzz-{lane}.log", COUNTERS="clicks")) for lane in LANES
        ]
        yield [urlsplit(url).port or 0 for url in urls]


def counted() -> int:
    with connect() as client:
        minutes = (PendingMinutes(client, counter).list() for counter in (DEFAULT, "clicks"))
        return sum(minute.total for of in minutes for minute in of)


@pytest.mark.parametrize("query", corpus.queries())
def test_both_lanes_read_what_was_odd_once_alike(ports: list[int], query: bytes) -> None:
    check_alike(ports, query)


@given(queries)
def test_both_lanes_read_a_query_alike(ports: list[int], query: bytes) -> None:
    query = query.replace(b"\r", b"").replace(b"\n", b"").replace(b" ", b"")  # which end a request line
    corpus.keep(query)
    check_alike(ports, query)


def check_alike(ports: list[int], query: bytes) -> None:
    before = counted()
    answers = [ask(port, each) for port in ports for each in (query, query + b"&" + ENDPOINT)]
    assert agree(answers[::2], query)
    assert agree(answers[1::2], query + b"&" + ENDPOINT)
    assert counted() - before == sum(answer == (200, b"ok") for answer in answers)


@example(b"GET " + PATH.encode() + b"?id=1 HTTP/1.1\r\nHost: \xff\r\n\r\n")
@given(
    st.binary(max_size=200)
    | st.tuples(st.sampled_from([b"GET", b"PUT", b"{"]), st.binary(max_size=40), st.binary(max_size=60)).map(
        lambda parts: b"%s /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n\r\n" % parts
    )
)
def test_no_bytes_are_a_500(ports: list[int], request: bytes) -> None:
    for port in ports:
        answer = exchange(port, request + b"\r\n\r\n", ends=True)
        assert not answer.startswith(b"HTTP/1.1 5")


def test_no_line_of_the_log_was_above_its_bound(ports: list[int]) -> None:
    for log in Path(HOME).glob("fuzz-*.log"):
        assert max(map(len, log.read_text().splitlines()), default=0) <= MAX_LINE
