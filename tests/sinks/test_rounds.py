from collections import Counter

import pytest

from counter.sinks.redis.delivery import ROUND_IDS, rounds
from counter.store.keys import spread
from counter.store.limits import MAX_IDS


@pytest.mark.parametrize("buckets", [1, 3, 100])
def test_no_round_spreads_more_ids_than_an_event_loop_may_wait_for(buckets: int) -> None:
    ids = [n % 9000 for n in range(10_000)]
    every = list(rounds(ids, buckets))
    assert max(sum(map(len, parts.values())) for parts in every) <= ROUND_IDS
    assert max(len(of) for parts in every for of in parts.values()) <= MAX_IDS
    assert all(spread(id, buckets) == number for parts in every for number, of in parts.items() for id in of)
    assert Counter(id for parts in every for of in parts.values() for id in of) == Counter(ids)
