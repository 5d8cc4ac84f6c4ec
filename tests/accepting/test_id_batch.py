import json
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.accepting.batches.batch_body import MAX_NAMED, read_batch
from counter.accepting.batches.batch_call import (
    JSON,
    MAX_BODY,
    MAX_CALL_IDS,
    MAX_ERRORS,
    MAX_LINES,
    NDJSON,
    BadBatch,
)
from counter.accepting.batches.batch_errors import MAX_FIELD
from counter.ids import MAX_ID, MIN_ID


@pytest.mark.parametrize(
    ("media_type", "body", "ids"),
    [
        (JSON, b'{"ids": [1]}', [1]),
        (JSON, b' {"ids":[-1,1,1]}\n', [-1, 1, 1]),
        (NDJSON, b"1", [1]),
        (NDJSON, b"1\n-2\r\n\n 3 \n", [1, -2, 3]),
        (JSON, b'{"ids": [1], "\\u0069ds": [2]}', [2]),
    ],
)
def test_reads_a_batch(media_type: str, body: bytes, ids: list[int]) -> None:
    assert read_batch(media_type, b"", body).ids == ids


@pytest.mark.parametrize(
    ("media_type", "body", "pointers"),
    [
        (JSON, b"", []),
        (JSON, b"{", []),
        (JSON, b"\xff", []),
        (JSON, b'{"ids": [1', []),
        (JSON, b'{"ids": [NaN]}', []),
        (JSON, b"[" * 100_000, ["#"]),
        (JSON, b'{"ids": [' + b"[" * 100_000, []),
        (JSON, b'{"ids": [1' + b"9" * 10_000 + b"]}", ["#/ids/0"]),
        (JSON, b"[1, 2]", ["#"]),
        (JSON, b"{}", ["#/ids"]),
        (JSON, b'{"ids": 7}', ["#/ids"]),
        (JSON, b'{"ids": []}', ["#/ids"]),
        (JSON, b'{"ids": [' + b"1," * 10_000 + b"1]}", ["#/ids"]),
        (JSON, b'{"ids": [1], "~a/b c": [1]}', ["#/~0a~1b%20c"]),
        (JSON, b'{"ids": [1], "' + b"x" * 10_000 + b'": 1}', ["#/" + "x" * MAX_FIELD]),
        (JSON, b'{"ids": [1], "Ids": [], "x": 1}', ["#/Ids", "#/x"]),
        (JSON, b'{"ids": [1, "2", 3.0, true, null, [4], 5]}', [f"#/ids/{n}" for n in (1, 2, 3, 4, 5)]),
        (JSON, b'{"ids": [9223372036854775808, 1, -9223372036854775809]}', ["#/ids/0", "#/ids/2"]),
        (NDJSON, b"", ["#"]),
        (NDJSON, b"\n \n", ["#"]),
        (NDJSON, b"1\n2,3\n4", ["#/1"]),
        (NDJSON, b"1 2\n3", ["#/0"]),
        (NDJSON, b"1\n2\0", ["#/1"]),
        (NDJSON, b"1\0", ["#/0"]),
        (NDJSON, b"1\x0b\n2\xa0", ["#/0", "#/1"]),
        (NDJSON, b"\n" * (MAX_LINES + 1), ["#"]),
        (NDJSON, b"[1\n2]\n3,4", ["#/0", "#/1", "#/2"]),
        (NDJSON, b'1\n"2"\n{"id": 3}\nx\n9223372036854775808', [f"#/{n}" for n in (1, 2, 3, 4)]),
    ],
)
def test_refuses_a_bad_batch_and_names_the_bad_places(
    media_type: str, body: bytes, pointers: list[str]
) -> None:
    with pytest.raises(BadBatch) as bad:
        read_batch(media_type, b"", body)
    assert [error["pointer"] for error in bad.value.problem.more.get("errors", [])] == pointers


def test_takes_as_many_ids_as_allowed_and_not_one_more() -> None:
    ids = [MIN_ID, MAX_ID] * (MAX_CALL_IDS // 2)
    assert read_batch(JSON, b"", json.dumps({"ids": ids}).encode()).ids == ids
    with pytest.raises(BadBatch, match="1 to 10000"):
        read_batch(JSON, b"", json.dumps({"ids": [*ids, 1]}).encode())


def test_names_no_end_of_errors() -> None:
    with pytest.raises(BadBatch, match="ids are wrong") as bad:
        read_batch(NDJSON, b"", b"x\n" * 1000)
    assert len(bad.value.problem.more["errors"]) == MAX_ERRORS


def filled(head: bytes, unit: bytes, tail: bytes = b"", size: int = MAX_BODY) -> bytes:
    """A body of so many bytes, or nearly."""
    return head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail


NESTED = b"[" * 900 + b"]" * 900 + b","


@pytest.mark.parametrize("size", [MAX_NAMED, MAX_BODY])
@pytest.mark.parametrize(
    ("media_type", "head", "unit", "tail"),
    [
        (JSON, b'{"ids": [', b"1,", b"1]}"),
        (JSON, b"", b"[", b""),
        (JSON, b"", b'{"a":', b""),
        (JSON, b"", b" ", b""),
        (JSON, b'{"ids":', b" ", b"[true]}"),
        (JSON, b'{"ids": [', NESTED, b"1]}"),
        (JSON, b'{"x": [', NESTED, b"1]}"),
        (JSON, b'{"ids": [', b"9", b"]}"),
        (JSON, b'{"ids": [', b"9" * 4300 + b",", b"1]}"),
        (JSON, b'{"ids": [', b"0." + b"9" * 200 + b",", b"1]}"),
        (JSON, b'{"ids": ["', b"\\n", b'"]}'),
        (JSON, b'{"', b"\\n", b'": 1}'),
        (JSON, b"{", b'"' + b"x" * 100 + b'": 1,', b'"y": 1}'),
        (NDJSON, b"", b"x\n", b""),
        (NDJSON, b"", b"1\n", b""),
        (NDJSON, b"", b"\n", b""),
        (NDJSON, b"", b" ", b""),
        (NDJSON, b"", b"[", b""),
        (NDJSON, b"", b"1,", b""),
        (NDJSON, b"", b"x" + b" " * 100 + b"\n", b""),
        (NDJSON, b"", b"9" * 4300 + b"\n", b""),
        (NDJSON, b'"', b"\\n", b'"'),
    ],
)
def test_no_body_holds_an_event_loop_up(
    media_type: str, head: bytes, unit: bytes, tail: bytes, size: int
) -> None:
    body = filled(head, unit, tail, size)

    def read() -> None:
        with pytest.raises(BadBatch):
            read_batch(media_type, b"", body)

    rounds = [(thread_seconds(read), thread_seconds(lambda: sum(range(500_000)))) for _ in range(5)]
    reading, adding = map(min, zip(*rounds, strict=True))
    assert reading < adding  # which takes ten milliseconds, where nobody else is at work


def thread_seconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


@given(st.lists(st.integers(MIN_ID, MAX_ID), min_size=1))
def test_takes_every_64_bit_integer(ids: list[int]) -> None:
    assert read_batch(JSON, b"", json.dumps({"ids": ids}).encode()).ids == ids
    assert read_batch(NDJSON, b"", "\n".join(map(str, ids)).encode()).ids == ids


@given(st.binary(), st.sampled_from([JSON, NDJSON]))
def test_never_breaks(body: bytes, media_type: str) -> None:
    with suppress(BadBatch):
        read_batch(media_type, b"", body)
