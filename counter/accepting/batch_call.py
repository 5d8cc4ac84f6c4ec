"""The batch call: reading its body, and adding up its answer. Both lanes of it share this."""

import json
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from counter.accepting.accept_call import RETRY_AFTER_SECONDS
from counter.accepting.problem import Problem
from counter.ids import MAX_ID, MIN_ID
from counter.minute import Minute
from counter.sinks.outcome import Accepted, Done, Parts, Unavailable

PATH = "/api/v1/accept/"
JSON, NDJSON = "application/json", "application/x-ndjson"

MAX_CALL_IDS = 10_000
MAX_BODY = 1024 * 1024
"""Bytes: four times what so many ids take, which leaves room for a generous layout."""

MAX_ERRORS = 100
"""That are named; who sent so many wrong ids needs no more to find out why."""


class BadBatch(ValueError):
    """The body can't be counted, and `problem` says why; nothing was changed."""

    def __init__(self, detail: str, *errors: tuple[str, str]) -> None:
        super().__init__(detail)
        named = [{"pointer": pointer, "detail": text} for pointer, text in errors[:MAX_ERRORS]]
        self.problem = Problem(400, detail, {"errors": named} if named else {})


def read_ids(media_type: str, body: bytes) -> list[int]:
    """The 1 to MAX_CALL_IDS ids in a body of type JSON or NDJSON. Raises BadBatch, for all of its errors."""
    ids, where = _in_ndjson(body) if media_type == NDJSON else _in_json(body)
    if not 1 <= len(ids) <= MAX_CALL_IDS:
        raise BadBatch(f"a batch has 1 to {MAX_CALL_IDS} ids, not {len(ids)}", (where, "wrong length"))
    # A set of types and the extremes, because it is done for every id.
    if set(map(type, ids)) == {int} and min(ids) >= MIN_ID and max(ids) <= MAX_ID:
        return ids
    errors = [(f"{where}/{n}", text) for n, id in enumerate(ids) if (text := _wrong(id))]
    raise BadBatch(f"{len(errors)} of {len(ids)} ids are wrong, so none was counted", *errors)


@dataclass(slots=True)
class Receipt:
    """What a batch call has counted so far."""

    minute: Minute | None = None
    accepted: int = 0
    unique: int | None = 0
    """None where it can't be known yet: events are counted later."""
    refused: list[int] = field(default_factory=list)
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


def _in_json(body: bytes) -> tuple[list[Any], str]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadBatch(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadBatch('the body must be an object: {"ids": [1, 2]}', ("#", "not an object"))
    if unknown := [(f"#/{name}", "unknown field") for name in document if name != "ids"]:
        raise BadBatch("the body has unknown fields", *unknown)
    if not isinstance(ids := document.get("ids"), list):
        raise BadBatch(
            "ids must be a list of integers", ("#/ids", "missing" if ids is None else "not a list")
        )
    return ids, "#/ids"


def _in_ndjson(body: bytes) -> tuple[list[Any], str]:
    """One integer a line; blank lines are none. A pointer counts the others from 0."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    try:
        ids: list[Any] = json.loads(b"[%b]" % b",".join(lines))
    except (ValueError, RecursionError):
        ids = []
    # The lines are also JSON together where one has two values and two have one.
    if len(ids) != len(lines) or list in map(type, ids):
        ids = [_value(line) for line in lines]
    return ids, "#"


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _wrong(id: object) -> str | None:
    if type(id) is not int:
        return "not an integer"
    return None if MIN_ID <= id <= MAX_ID else "not in signed 64 bits"
