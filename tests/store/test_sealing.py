"""A minute that is sealed is sealed in every bucket, also in one that nobody knew of at first."""

import pytest
import redis
from django.test import override_settings

from counter.minute import Minute
from counter.redis import clock
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.opening import open_counter
from counter.store.sealing import seal_everywhere
from tests.support.reset import empty


def test_a_counter_that_is_opened_meanwhile_is_sealed_too(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty(valkey)
    valkey.delete(keys.COUNTERS, *(bucket.layout for bucket in keys.buckets(16, "clicks")))
    minute, seal, opened = Minute.at(clock.now(valkey)), CountStore.seal, list[str]()

    def late(store: CountStore, minute: Minute) -> None:
        if not opened:
            opened.append("clicks")
            with override_settings(COUNTERS=("clicks",)):
                open_counter(valkey, "clicks")
        seal(store, minute)

    monkeypatch.setattr(CountStore, "seal", late)
    with override_settings(COUNTERS=()):
        store = seal_everywhere(valkey, minute)
    assert store.of("clicks").sealed() == minute
