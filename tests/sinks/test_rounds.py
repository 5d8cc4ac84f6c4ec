from collections import Counter

import pytest
from django.test import override_settings

from counter.counters import DEFAULT
from counter.ids import Id
from counter.sinks.places import ROUND_IDS, Places
from counter.store.limits import MAX_IDS

NUMBERS: list[Id] = [n % 9000 for n in range(10_000)]
TEXTS: list[Id] = [f"{n % 9000:x}" for n in range(10_000)]


@pytest.mark.parametrize("buckets", [1, 3, 100])
@pytest.mark.parametrize(("counter", "ids", "first"), [(DEFAULT, NUMBERS, 0), ("installs", TEXTS, 2)])
def test_no_round_spreads_more_ids_than_an_event_loop_may_wait_for(
    buckets: int, counter: str, ids: list[Id], first: int
) -> None:
    with override_settings(COUNTERS=("clicks", "installs")):
        places = Places(buckets)
        every = list(places.rounds(counter, ids))
    assert max(sum(map(len, parts.values())) for parts in every) <= ROUND_IDS
    assert max(len(of) for parts in every for of in parts.values()) <= MAX_IDS
    assert all(
        places.of(counter, id) == number for parts in every for number, of in parts.items() for id in of
    )
    assert {number // buckets for parts in every for number in parts} == {first}
    assert Counter(id for parts in every for of in parts.values() for id in of) == Counter(ids)
