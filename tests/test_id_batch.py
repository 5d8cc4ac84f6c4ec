import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.accepting.batch_call import JSON, MAX_CALL_IDS, MAX_ERRORS, NDJSON, BadBatch, read_ids
from counter.ids import MAX_ID, MIN_ID


@pytest.mark.parametrize(
    ("media_type", "body", "ids"),
    [
        (JSON, b'{"ids": [1]}', [1]),
        (JSON, b' {"ids":[-1,1,1]}\n', [-1, 1, 1]),
        (NDJSON, b"1", [1]),
        (NDJSON, b"1\n-2\r\n\n 3 \n", [1, -2, 3]),
    ],
)
def test_reads_a_batch(media_type: str, body: bytes, ids: list[int]) -> None:
    assert read_ids(media_type, body) == ids


@pytest.mark.parametrize(
    ("media_type", "body", "pointers"),
    [
        (JSON, b"", []),
        (JSON, b"{", []),
        (JSON, b"\xff", []),
        (JSON, b"[" * 100_000, []),
        (JSON, b'{"ids": [' + b"9" * 10_000 + b"]}", []),
        (JSON, b"[1, 2]", ["#"]),
        (JSON, b"{}", ["#/ids"]),
        (JSON, b'{"ids": 7}', ["#/ids"]),
        (JSON, b'{"ids": []}', ["#/ids"]),
        (JSON, b'{"ids": [1], "Ids": [], "x": 1}', ["#/Ids", "#/x"]),
        (JSON, b'{"ids": [1, "2", 3.0, true, null, [4], 5]}', [f"#/ids/{n}" for n in (1, 2, 3, 4, 5)]),
        (JSON, b'{"ids": [9223372036854775808, 1, -9223372036854775809]}', ["#/ids/0", "#/ids/2"]),
        (NDJSON, b"", ["#"]),
        (NDJSON, b"\n \n", ["#"]),
        (NDJSON, b"1\n2,3\n4", ["#/1"]),
        (NDJSON, b"1 2\n3", ["#/0"]),
        (NDJSON, b"[1\n2]\n3,4", ["#/0", "#/1", "#/2"]),
        (NDJSON, b'1\n"2"\n{"id": 3}\nx\n9223372036854775808', [f"#/{n}" for n in (1, 2, 3, 4)]),
    ],
)
def test_refuses_a_bad_batch_and_names_every_bad_place(
    media_type: str, body: bytes, pointers: list[str]
) -> None:
    with pytest.raises(BadBatch) as bad:
        read_ids(media_type, body)
    assert [error["pointer"] for error in bad.value.problem.more.get("errors", [])] == pointers


def test_takes_as_many_ids_as_allowed_and_not_one_more() -> None:
    ids = [MIN_ID, MAX_ID] * (MAX_CALL_IDS // 2)
    assert read_ids(JSON, json.dumps({"ids": ids}).encode()) == ids
    with pytest.raises(BadBatch, match="10001"):
        read_ids(JSON, json.dumps({"ids": [*ids, 1]}).encode())


def test_names_no_end_of_errors() -> None:
    with pytest.raises(BadBatch, match="1000 of 1000") as bad:
        read_ids(NDJSON, b"x\n" * 1000)
    assert len(bad.value.problem.more["errors"]) == MAX_ERRORS


@given(st.lists(st.integers(MIN_ID, MAX_ID), min_size=1))
def test_takes_every_64_bit_integer(ids: list[int]) -> None:
    assert read_ids(JSON, json.dumps({"ids": ids}).encode()) == ids
    assert read_ids(NDJSON, "\n".join(map(str, ids)).encode()) == ids


@given(st.binary(), st.sampled_from([JSON, NDJSON]))
def test_never_breaks(body: bytes, media_type: str) -> None:
    with suppress(BadBatch):
        read_ids(media_type, body)
