"""The errors of a batch call, place by place: the second look at a body that could not be read."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated
from urllib.parse import quote

from msgspec import DecodeError, Meta, Raw, ValidationError
from msgspec.json import Decoder

from counter.accepting.accept_call import MAX_DIGITS, BadCall, parse_text
from counter.accepting.batches.batch_call import BadBatch, known_counter, lines_of
from counter.counters import DEFAULT
from counter.ids import MAX_ID, MIN_ID

MAX_FIELD = 100
"""Characters of an unknown field's name that come back."""

_id, _text = Decoder(Annotated[int, Meta(ge=MIN_ID, le=MAX_ID)]), Decoder(str)
_fields, _values = Decoder(dict[str, Raw]), Decoder(list[Raw])

is_json = re.compile(
    rb'["\[{].*|true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?', re.DOTALL
).fullmatch
"""Of a line: else it is a text as it stands."""


def explain_json(body: bytes) -> BadBatch:
    """Of a JSON batch of either kind of counter."""
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
        known_counter(counter.encode())
    return _explain_ids("#/ids", values, _text_fault if named else _fault)


def explain_lines(body: bytes) -> BadBatch:
    """Of lines of integers."""
    return _explain_ids("#", lines_of(body), _fault)


def explain_texts(body: bytes) -> BadBatch:
    """Of lines of texts."""
    return _explain_ids("#", lines_of(body), _line_fault)


def _explain_ids(
    where: str, values: Iterable[bytes | Raw], fault_of: Callable[[bytes | Raw], str | None]
) -> BadBatch:
    faults = ((f"{where}/{n}", fault) for n, value in enumerate(values) if (fault := fault_of(value)))
    return BadBatch("ids are wrong, so none was counted", faults)


def _line_fault(value: bytes | Raw) -> str | None:
    line = bytes(value).strip()
    return _text_fault(line) if is_json(line) else _reason(line)


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


def _pointer(field: str) -> str:
    """To a field of the document, as RFC 6901 writes it."""
    return f"#/{quote(field[:MAX_FIELD].replace('~', '~0').replace('/', '~1'))}"
