"""The checker finds what it is there to find, and nothing where there is nothing."""

from collections import Counter
from copy import deepcopy

import pytest

from tests.support.checker import Calls, Seen, violations

CALLS = Calls(ok=Counter({1: 3, 2: 1, 3: 1}), unknown=Counter({3: 1, 4: 1}))
SEEN = Seen(
    unique_counts=[("202611230801", 2, 3), ("202611230802", 0, 0), ("202611230803", 1, 1)],
    id_counts=[("202611230801", 1, 2), ("202611230801", 2, 1), ("202611230803", 3, 1)],
    waiting={"202611230804": {1: 1, 3: 1}},
    keys={"202611230804": ["202611230804_1", "202611230804_3", "tally:ids:202611230804"]},
)


@pytest.fixture
def seen() -> Seen:
    return deepcopy(SEEN)


def test_finds_nothing_where_all_is_well(seen: Seen) -> None:
    assert list(violations(CALLS, seen)) == []


def test_finds_a_loss(seen: Seen) -> None:
    seen.waiting["202611230804"][1] = 0
    assert "1 was counted 2 times, acknowledged 3 times" in "".join(violations(CALLS, seen))


def test_finds_a_call_that_counts_twice(seen: Seen) -> None:
    seen.waiting["202611230804"][3] = 2
    assert "3 was counted 3 times" in "".join(violations(CALLS, seen))


def test_finds_an_id_that_was_never_sent(seen: Seen) -> None:
    seen.waiting["202611230804"][99] = 1
    assert "99 was counted 1 times" in "".join(violations(CALLS, seen))


def test_an_unknown_call_may_count_or_not(seen: Seen) -> None:
    seen.waiting["202611230804"][4] = 1
    assert list(violations(CALLS, seen)) == []


def test_finds_an_id_in_two_buckets(seen: Seen) -> None:
    seen.twice.append("1 is in 202611230804 in two buckets")
    assert "two buckets" in "".join(violations(CALLS, seen))


def test_finds_an_id_count_that_stands_twice(seen: Seen) -> None:
    seen.id_counts.append(("202611230803", 3, 1))
    assert "published twice" in "".join(violations(CALLS, seen))


def test_finds_a_doubled_minute(seen: Seen) -> None:
    seen.unique_counts.append(seen.unique_counts[-1])
    assert "202611230803 was published after 202611230803" in "".join(violations(CALLS, seen))


def test_finds_a_gap(seen: Seen) -> None:
    del seen.unique_counts[1]
    assert "202611230803 was published after 202611230801" in "".join(violations(CALLS, seen))


def test_finds_disorder(seen: Seen) -> None:
    seen.unique_counts.reverse()
    assert "202611230801 was published after 202611230802" in "".join(violations(CALLS, seen))


def test_finds_a_total_that_does_not_fit(seen: Seen) -> None:
    seen.unique_counts[0] = ("202611230801", 2, 4)
    assert "(2, 4)" in "".join(violations(CALLS, seen))


def test_finds_id_counts_without_their_minute(seen: Seen) -> None:
    seen.id_counts.append(("202611230809", 4, 1))
    assert "was not published" in "".join(violations(CALLS, seen))


def test_finds_what_was_left_in_redis(seen: Seen) -> None:
    seen.keys["202611230801"] = ["202611230801_1"]
    assert "still has" in "".join(violations(CALLS, seen))


def test_finds_a_key_that_no_pending_minute_names(seen: Seen) -> None:
    seen.keys["202611230805"] = ["202611230805_1"]
    assert "does not name" in "".join(violations(CALLS, seen))
