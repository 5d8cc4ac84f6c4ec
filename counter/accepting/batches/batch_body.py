"""The body of a batch call, as msgspec reads it: strictly, and in a few milliseconds."""

from collections.abc import Callable
from typing import Annotated

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from counter.accepting.accept_call import values_of
from counter.accepting.batches.batch_call import (
    MAX_BODY,
    MAX_CALL_IDS,
    NDJSON,
    BadBatch,
    Batch,
    known_counter,
    lines_of,
    wrong_length,
)
from counter.accepting.batches.batch_errors import explain_json, explain_lines, explain_texts, is_json
from counter.counters import DEFAULT
from counter.ids import MAX_ID, MIN_ID, are_texts

MAX_NAMED = MAX_BODY // 4
"""Bytes of a body whose errors are named: that takes a second look at it, and an event loop waits."""

_Id = Annotated[int, Meta(ge=MIN_ID, le=MAX_ID)]
_ids, _document, _text = Decoder(list[_Id]), Decoder(dict[str, list[_Id]]), Decoder(str)


class _Named(Struct, forbid_unknown_fields=True):
    """The body of a named counter's batch."""

    counter: str
    ids: list[str]


_named = Decoder(_Named)


def read_batch(media_type: str, query: bytes, body: bytes) -> Batch:
    """The batch in a body of type JSON or NDJSON, of MAX_BODY bytes at most, behind a raw query string.

    Raises BadBatch, with the first of its errors. Takes a few milliseconds at most, whatever is in the body.
    """
    counter = _counter(query)
    read: Callable[[bytes, str], Batch]
    if media_type == NDJSON:
        read, explain = (_read_texts, explain_texts) if counter else (_read_lines, explain_lines)
    elif counter:
        raise BadBatch("the counter of a JSON batch stands in its body", [("#/counter", "missing")])
    else:
        read, explain = _read_named if b'"counter"' in body else _read_json, explain_json
    try:
        return read(body, counter)
    except (DecodeError, RecursionError) as error:
        if len(body) > MAX_NAMED:
            raise BadBatch(f"the body is no batch: {error}") from None
        raise explain(body) from None


def _counter(query: bytes) -> str:
    """The one that the query names. Raises BadBatch."""
    names = values_of(query, b"counter")[b"counter"]
    if len(names) > 1:
        raise BadBatch("counter is repeated")
    return known_counter(names[0]) if names else DEFAULT


def _read_json(body: bytes, counter: str) -> Batch:
    if body.count(b",") >= MAX_CALL_IDS:  # before a list is made of them
        raise wrong_length("#/ids")
    document = _document.decode(body)
    if document.keys() != {"ids"}:
        raise ValidationError("ids alone are expected")
    if not document["ids"]:
        raise wrong_length("#/ids")
    return Batch(counter, document["ids"])


def _read_named(body: bytes, counter: str) -> Batch:
    named = _named.decode(body)
    counter = known_counter(named.counter.encode())
    if not 1 <= len(named.ids) <= MAX_CALL_IDS:
        raise wrong_length("#/ids")
    return Batch(counter, _checked(named.ids))


def _checked(ids: list[str]) -> list[str]:
    if not are_texts(ids):
        raise ValidationError("ids are wrong")
    return ids


def _read_lines(body: bytes, counter: str) -> Batch:
    """One integer a line; blank lines are none. A pointer counts the others from 0."""
    lines = lines_of(body)
    if b"," in body:  # else the lines are a list with commas between them
        raise ValidationError("one id a line is expected")
    return Batch(counter, _ids.decode(b"[%b]" % b",".join(lines)))


def _read_texts(body: bytes, counter: str) -> Batch:
    """One id a line: a JSON string, or what is no JSON as it stands."""
    lines = lines_of(body)
    try:
        return Batch(counter, _checked([_read_text(line) for line in lines]))
    except UnicodeDecodeError:
        raise ValidationError("ids must be UTF-8") from None


def _read_text(line: bytes) -> str:
    line = line.strip()
    return _text.decode(line) if is_json(line) else line.decode()
