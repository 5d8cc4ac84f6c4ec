"""The batch call: reading its body, and adding up its answer. Both lanes of it share this."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from msgspec import DecodeError, Meta, Raw, Struct, ValidationError
from msgspec.json import Decoder

from counter.accepting.accept_call import (
    MAX_DIGITS,
    RETRY_AFTER_SECONDS,
    BadCall,
    parse_counter,
    parse_text,
    values_of,
)
from counter.accepting.problem import Problem
from counter.counters import DEFAULT
from counter.ids import MAX_ID, MIN_ID, Id, are_texts
from counter.minute import Minute
from counter.sinks.outcome import Accepted, Done, Parts, Unavailable

PATH = "/api/v1/accept/"
JSON, NDJSON = "application/json", "application/x-ndjson"

MAX_CALL_IDS = 10_000
MAX_BODY = 1024 * 1024
"""Bytes: four times what so many ids take, which leaves room for a generous layout."""

MAX_LINES = 2 * MAX_CALL_IDS
"""Of NDJSON, with those that are blank."""

MAX_ERRORS = 100
"""That are named, the first ones; who sent so many wrong ids needs no more to find out why."""

MAX_NAMED = MAX_BODY // 4
"""Bytes of a body whose errors are named: that takes a second look at it, and an event loop waits."""

MAX_FIELD = 100
"""Characters of an unknown field's name that come back."""

_Id = Annotated[int, Meta(ge=MIN_ID, le=MAX_ID)]
_id, _ids, _document = Decoder(_Id), Decoder(list[_Id]), Decoder(dict[str, list[_Id]])
_fields, _values = Decoder(dict[str, Raw]), Decoder(list[Raw])
_text = Decoder(str)

_is_json = re.compile(
    rb'["\[{].*|true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?', re.DOTALL
).fullmatch
"""Of a line: else it is a text as it stands."""


class _Named(Struct, forbid_unknown_fields=True):
    """The body of a named counter's batch."""

    counter: str
    ids: list[str]


_named = Decoder(_Named)


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


def read_batch(media_type: str, query: bytes, body: bytes) -> Batch:
    """The batch in a body of type JSON or NDJSON, of MAX_BODY bytes at most, behind a raw query string.

    Raises BadBatch, with the first of its errors. Takes a few milliseconds at most, whatever is in the body.
    """
    counter = _counter(query)
    read: Callable[[bytes, str], Batch]
    if media_type == NDJSON:
        read, explain = (_read_texts, _explain_texts) if counter else (_read_lines, _explain_lines)
    elif counter:
        raise BadBatch("the counter of a JSON batch stands in its body", [("#/counter", "missing")])
    else:
        read, explain = _read_named if b'"counter"' in body else _read_json, _explain_json
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
    return _known(names[0]) if names else DEFAULT


def _known(name: bytes) -> str:
    try:
        return parse_counter(name)
    except BadCall as error:
        raise BadBatch(str(error), [("#/counter", "unknown counter")]) from None


@dataclass(slots=True)
class Receipt:
    """What a batch call has counted so far."""

    minute: Minute | None = None
    accepted: int = 0
    unique: int | None = 0
    """None where it can't be known yet: events are counted later."""
    refused: list[Id] = field(default_factory=list)
    """The ids whose calls could not be counted."""

    def noting(self, parts: Parts) -> Done:
        """What notes what becomes of these parts."""

        def note(number: int, outcome: Accepted | Unavailable) -> None:
            if isinstance(outcome, Unavailable):
                self.refused += parts[number]
            else:
                self.minute = max(outcome.minute, self.minute or outcome.minute)
                self.accepted += len(parts[number])
                known = self.unique is not None and outcome.new is not None
                self.unique = (self.unique or 0) + (outcome.new or 0) if known else None

        return note

    def refuse(self, parts: Parts) -> None:
        """These were not even sent."""
        self.refused += chain.from_iterable(parts.values())

    @property
    def answer(self) -> dict[str, Any]:
        """The answer, once all is counted."""
        return {"minute": str(self.minute), "accepted": self.accepted, "unique": self.unique}

    @property
    def cut_short(self) -> Problem:
        """The answer when Redis, or in event mode Kafka, went away."""
        return Problem(
            503,
            f"{self.accepted} calls are counted, the others could not be: repeat those in `refused` alone",
            {"accepted": self.accepted, "refused": self.refused},
            [("Retry-After", str(RETRY_AFTER_SECONDS))],
        )


def _read_json(body: bytes, counter: str) -> Batch:
    if body.count(b",") >= MAX_CALL_IDS:  # before a list is made of them
        raise _wrong_length("#/ids")
    document = _document.decode(body)
    if document.keys() != {"ids"}:
        raise ValidationError("ids alone are expected")
    if not document["ids"]:
        raise _wrong_length("#/ids")
    return Batch(counter, document["ids"])


def _read_named(body: bytes, counter: str) -> Batch:
    named = _named.decode(body)
    counter = _known(named.counter.encode())
    if not 1 <= len(named.ids) <= MAX_CALL_IDS:
        raise _wrong_length("#/ids")
    return Batch(counter, _checked(named.ids))


def _checked(ids: list[str]) -> list[str]:
    if not are_texts(ids):
        raise ValidationError("ids are wrong")
    return ids


def _read_lines(body: bytes, counter: str) -> Batch:
    """One integer a line; blank lines are none. A pointer counts the others from 0."""
    lines = _lines(body)
    if b"," in body:  # else the lines are a list with commas between them
        raise ValidationError("one id a line is expected")
    return Batch(counter, _ids.decode(b"[%b]" % b",".join(lines)))


def _read_texts(body: bytes, counter: str) -> Batch:
    """One id a line: a JSON string, or what is no JSON as it stands."""
    lines = _lines(body)
    try:
        return Batch(counter, _checked([_read_text(line) for line in lines]))
    except UnicodeDecodeError:
        raise ValidationError("ids must be UTF-8") from None


def _read_text(line: bytes) -> str:
    line = line.strip()
    return _text.decode(line) if _is_json(line) else line.decode()


def _lines(body: bytes) -> list[bytes]:
    if body.count(b"\n") > MAX_LINES:
        raise BadBatch(f"a batch has at most {MAX_LINES} lines", [("#", "too many lines")])
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= MAX_CALL_IDS:
        raise _wrong_length("#")
    return lines


def _explain_json(body: bytes) -> BadBatch:
    """Of a batch of either kind of counter."""
    try:
        fields = _fields.decode(body)
    except ValidationError:
        return BadBatch('the body must be an object: {"ids": [1, 2]}', [("#", "not an object")])
    except (DecodeError, RecursionError) as error:
        return BadBatch(f"the body is not JSON: {error}")
    named = "counter" in fields
    if unknown := [(_pointer(name), "unknown field") for name in fields if name not in {"counter", "ids"}]:
        return BadBatch("the body has unknown fields", unknown)
    try:
        counter = _text.decode(fields["counter"]) if named else DEFAULT
    except ValidationError:
        return BadBatch("counter must be a text", [("#/counter", "not a text")])
    try:
        values = _values.decode(fields["ids"])
    except (KeyError, ValidationError) as error:
        why = "missing" if isinstance(error, KeyError) else "not a list"
        return BadBatch(f"ids must be a list of {'texts' if named else 'integers'}", [("#/ids", why)])
    if named:
        _known(counter.encode())
    return _explain_ids("#/ids", values, _text_fault if named else _fault)


def _explain_lines(body: bytes) -> BadBatch:
    return _explain_ids("#", _lines(body), _fault)


def _explain_texts(body: bytes) -> BadBatch:
    return _explain_ids("#", _lines(body), _line_fault)


def _explain_ids(
    where: str, values: Iterable[bytes | Raw], fault_of: Callable[[bytes | Raw], str | None]
) -> BadBatch:
    faults = ((f"{where}/{n}", fault) for n, value in enumerate(values) if (fault := fault_of(value)))
    return BadBatch("ids are wrong, so none was counted", faults)


def _line_fault(value: bytes | Raw) -> str | None:
    line = bytes(value).strip()
    return _text_fault(line) if _is_json(line) else _reason(line)


def _text_fault(value: bytes | Raw) -> str | None:
    try:
        return _reason(_text.decode(value).encode())
    except (DecodeError, RecursionError, UnicodeEncodeError) as error:
        return str(error)


def _reason(id: bytes) -> str | None:
    """Why a named counter does not have such an id; None where it may."""
    try:
        parse_text(id)
    except BadCall as error:
        return str(error)
    return None


def _fault(value: bytes | Raw) -> str | None:
    if len(bytes(value).strip()) > MAX_DIGITS:  # it takes long to read thousands of digits
        return "too long"
    try:
        _id.decode(value)
    except (DecodeError, RecursionError) as error:
        return str(error)
    return None


def _wrong_length(where: str) -> BadBatch:
    return BadBatch(f"a batch has 1 to {MAX_CALL_IDS} ids", [(where, "wrong length")])


def _pointer(field: str) -> str:
    """To a field of the document, as RFC 6901 writes it."""
    return f"#/{quote(field[:MAX_FIELD].replace('~', '~0').replace('/', '~1'))}"
