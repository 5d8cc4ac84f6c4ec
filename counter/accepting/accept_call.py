"""What both lanes of the accept call share: reading one call, and the words of its answers."""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from django.conf import settings

from counter.counters import DEFAULT, NAME
from counter.ids import MAX_ID, MAX_LENGTH, MIN_ID, Id, are_texts

PATH = "/api/verve/accept"
METHODS = ("GET", "POST")

OK = b"ok"
FAILED = b"failed"
CONTENT_TYPE = "text/plain; charset=utf-8"
RETRY_AFTER_SECONDS = 1
"""Recovery is noticed within a fraction of a second, so a caller need not wait longer."""

MAX_DIGITS = 100
"""Leading zeros are fine, a number of a million digits is not: int() is quadratic in them."""

MAX_ENDPOINT = 2000
"""Characters; what browsers and proxies agree to carry."""

_HOST = r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
ENDPOINT = rf"https?://{_HOST}(:{_PORT})?([/?#][!-~]*)?"
"""What the API's schema says of an endpoint, too: it may say neither more nor less than this parser."""

_PLAIN = re.compile(rb"id=([0-9]{1,18})").fullmatch
_TEXT = rb"([A-Za-z0-9@:._~-]{1,%d})" % MAX_LENGTH
_NAME = rb"(%b)" % NAME.encode()
_NAMED = re.compile(rb"counter=%b&id=%b" % (_NAME, _TEXT)).fullmatch
_NAMED_LAST = re.compile(rb"id=%b&counter=%b" % (_TEXT, _NAME)).fullmatch
_ENDPOINT = re.compile(ENDPOINT.encode()).fullmatch
_INTEGER = re.compile(rb"[+-]?[0-9]{1,%d}" % MAX_DIGITS).fullmatch


class BadCall(ValueError):
    """The call can't be counted, and says why; nothing was changed."""


class Call(NamedTuple):
    """One valid call: the id to count, its counter and, where asked for, the url to tell afterwards."""

    id: Id
    endpoint: str | None = None
    counter: str = DEFAULT


def parse_id(text: bytes) -> int:
    """The id written as `text` in ASCII: `007`, `+7` and `7` are one. Raises BadCall."""
    if not _INTEGER(text):
        raise BadCall("id must be an integer")
    number = int(text)
    if not MIN_ID <= number <= MAX_ID:
        raise BadCall("id must fit into signed 64 bits")
    return number


def parse_text(text: bytes) -> str:
    """The id of a named counter that is written as `text` in UTF-8, and stays as it is. Raises BadCall."""
    try:
        id = text.decode()
    except UnicodeDecodeError:
        raise BadCall("id must be UTF-8") from None
    if not are_texts([id]):
        raise BadCall(f"id must have 1 to {MAX_LENGTH} characters, and no white space or control among them")
    return id


def parse_counter(name: bytes) -> str:
    """The named counter. Raises BadCall."""
    counter = name.decode(errors="replace")
    if counter not in settings.COUNTERS:
        raise BadCall("counter is not one of COUNTERS")
    return counter


def parse_call(query: bytes) -> Call:
    """The call in a raw query string, as it came over the wire. Raises BadCall.

    A plus sign is a plus sign, not a space as in a submitted form: `id=+7` is the id 7. Names other than
    `id`, `counter` and `endpoint` are left alone.
    """
    if plain := _PLAIN(query):
        return Call(int(plain[1]))
    if named := _NAMED(query):
        return Call(named[2].decode(), None, parse_counter(named[1]))
    if named := _NAMED_LAST(query):
        return Call(named[1].decode(), None, parse_counter(named[2]))
    values = values_of(query, b"id", b"counter", b"endpoint")
    if not values[b"id"]:
        raise BadCall("id is missing")
    for name, found in values.items():
        if len(found) > 1:
            raise BadCall(f"{name.decode()} is repeated")
    [id], endpoint = values[b"id"], values[b"endpoint"]
    url = parse_endpoint(endpoint[0]) if endpoint else None
    if values[b"counter"]:
        return Call(parse_text(id), url, parse_counter(values[b"counter"][0]))
    return Call(parse_id(id), url)


def parse_endpoint(url: bytes) -> str:
    """The url as text, if it is a well-formed absolute http(s) url with a host. Raises BadCall.

    Says nothing of whether Tally may call it: that is decided when it is called.
    """
    if len(url) > MAX_ENDPOINT or not _ENDPOINT(url):
        raise BadCall("endpoint must be an http or https url")
    return url.decode()


def values_of(query: bytes, *names: bytes) -> dict[bytes, list[bytes]]:
    """The percent-decoded values of these parameters, in order."""
    values: dict[bytes, list[bytes]] = {name: [] for name in names}
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if (name := unquote_to_bytes(name)) in values:
            values[name].append(unquote_to_bytes(value))
    return values
