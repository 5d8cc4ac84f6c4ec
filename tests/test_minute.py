from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.minute import Minute

MINUTES = st.integers(0, 2**27).map(Minute)


def test_is_written_in_utc() -> None:
    eight_o_one = datetime(2026, 11, 23, 8, 1, 59, 999999, tzinfo=UTC)
    assert str(Minute.at(eight_o_one.timestamp())) == "202611230801"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261123080",
        "2026112308011",
        "202613010000",
        "202611232400",
        "abc",
        "\u0662\u0660262611230801"[:12],
    ],
)
def test_refuses_what_is_no_minute(text: str) -> None:
    with pytest.raises(ValueError, match="is not a minute"):
        Minute.parse(text)


@given(MINUTES)
def test_reads_what_it_writes(minute: Minute) -> None:
    assert Minute.parse(str(minute)) == minute == Minute.parse(str(minute).encode())


@given(MINUTES, MINUTES)
def test_is_written_in_the_order_of_time(one: Minute, other: Minute) -> None:
    assert (one < other) == (str(one) < str(other))


@given(MINUTES)
def test_is_closed_from_its_end_on(minute: Minute) -> None:
    assert not minute.is_closed(minute.end - 0.001)
    assert minute.is_closed(minute.end)
    assert Minute.at(minute.end) == minute + 1


def test_counts_through_to_the_last() -> None:
    first = Minute(10)
    assert list(first.through(first + 2)) == [Minute(10), Minute(11), Minute(12)]
    assert list(first.through(first - 1)) == []
