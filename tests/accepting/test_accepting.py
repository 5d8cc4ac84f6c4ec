from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.accepting.accept_call import BadCall, Call, parse_call
from counter.accepting.ascii_query import in_ascii
from counter.ids import MAX_ID, MIN_ID


@pytest.mark.parametrize(
    ("query", "id"),
    [
        (b"id=7", 7),
        (b"id=007", 7),
        (b"id=+7", 7),
        (b"id=%2B7", 7),
        (b"id=-0", 0),
        (b"id=-7", -7),
        (b"%69d=7", 7),
        (b"a=b&id=7&c", 7),
        (b"id=" + b"0" * 90 + b"7", 7),
        (b"id=%d" % MAX_ID, MAX_ID),
        (b"id=%d" % MIN_ID, MIN_ID),
    ],
)
def test_reads_an_id(query: bytes, id: int) -> None:
    assert parse_call(query) == Call(id)


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"id",
        b"id=",
        b"ID=7",
        b"id=7&id=7",
        b"id=7;id=8",
        b"id=1.0",
        b"id=1e3",
        b"id=0x10",
        b"id=1_000",
        b"id=%207",
        b"id=7%0A",
        b"id=--7",
        b"id=+-7",
        b"id=%D9%A3",
        b"id=%d" % (MAX_ID + 1),
        b"id=%d" % (MIN_ID - 1),
        b"id=" + b"9" * 1_000_000,
        b"id=\xff\x00",
        b"id=7&endpoint=http://a&endpoint=http://a",
    ],
)
def test_refuses_what_is_no_call(query: bytes) -> None:
    with pytest.raises(BadCall):
        parse_call(query)


@pytest.mark.parametrize(
    "url", ["http://example.com", "https://example.com:8443/path?a=b#c", "http://[::1]/", "http://10.0.0.1"]
)
def test_takes_an_endpoint(url: str) -> None:
    quoted = url.replace("#", "%23").replace("?", "%3F").encode()
    assert parse_call(b"id=7&endpoint=" + quoted) == Call(7, url)


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"example.com",
        b"ftp://example.com",
        b"//example.com",
        b"http://",
        b"http://:80",
        b"http://example.com:99999",
        b"http://exa%20mple.com",
        b"http://example.com/%0d%0aHost:x",
        b"http://[::1",
        b"http://" + b"a" * 3000,
        b"http://%ff.com",
        b"javascript:alert(1)",
    ],
)
def test_refuses_an_endpoint_that_is_no_url(url: bytes) -> None:
    with pytest.raises(BadCall):
        parse_call(b"id=7&endpoint=" + url)


@given(st.binary())
def test_never_breaks(query: bytes) -> None:
    with suppress(BadCall):
        parse_call(query)


@given(st.integers(MIN_ID, MAX_ID))
def test_takes_every_64_bit_integer(id: int) -> None:
    assert parse_call(b"id=%d" % id) == Call(id)


@given(st.binary(max_size=80) | st.from_regex(rb"(id=[0-9]{1,3}|x=[\x00-\xff]{0,5}|&|%[0-9a-fA-F]?){0,9}"))
def test_the_query_that_django_gets_is_the_same_call(query: bytes) -> None:
    read = in_ascii(query)
    assert read.isascii()
    assert outcome(read) == outcome(query)


def outcome(query: bytes) -> Call | str:
    try:
        return parse_call(query)
    except BadCall as bad:
        return str(bad)
