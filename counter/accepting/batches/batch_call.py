"""The batch call: what it is, and what is wrong with one. Both lanes of it share this."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from counter.accepting.accept_call import BadCall, parse_counter
from counter.accepting.problem import Problem
from counter.ids import Id

PATH = "/api/v1/accept/"
JSON, NDJSON = "application/json", "application/x-ndjson"

MAX_CALL_IDS = 10_000
MAX_BODY = 1024 * 1024
"""Bytes: four times what so many ids take, which leaves room for a generous layout."""

MAX_LINES = 2 * MAX_CALL_IDS
"""Of NDJSON, with those that are blank."""

MAX_ERRORS = 100
"""That are named, the first ones; who sent so many wrong ids needs no more to find out why."""


class Batch(NamedTuple):
    """The 1 to MAX_CALL_IDS ids of a call, and their counter."""

    counter: str
    ids: Sequence[Id]


class BadBatch(ValueError):
    """The body can't be counted, and `problem` says why; nothing was changed."""

    def __init__(self, detail: str, errors: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        named = [{"pointer": pointer, "detail": text} for pointer, text in islice(errors, MAX_ERRORS)]
        self.problem = Problem(400, detail, {"errors": named} if named else {})


def known_counter(name: bytes) -> str:
    """The counter of this name. Raises BadBatch."""
    try:
        return parse_counter(name)
    except BadCall as error:
        raise BadBatch(str(error), [("#/counter", "unknown counter")]) from None


def lines_of(body: bytes) -> list[bytes]:
    """Those of NDJSON that are not blank, 1 to MAX_CALL_IDS. Raises BadBatch."""
    if body.count(b"\n") > MAX_LINES:
        raise BadBatch(f"a batch has at most {MAX_LINES} lines", [("#", "too many lines")])
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= MAX_CALL_IDS:
        raise wrong_length("#")
    return lines


def wrong_length(where: str) -> BadBatch:
    """Too many ids, or none, at this place of the body."""
    return BadBatch(f"a batch has 1 to {MAX_CALL_IDS} ids", [(where, "wrong length")])
