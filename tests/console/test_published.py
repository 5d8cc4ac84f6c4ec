"""The page of a published minute: its record, and its ids as Kafka has them."""

from typing import Any

import pytest
import redis
from django.test import Client
from pytest_django import Settings

from counter.counters import DEFAULT
from counter.ids import Id
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from tasks.output import published_ids
from tasks.publishing.history import follow
from tests.support.processes import ServerProcess
from tests.support.reset import new_topics
from tests.support.tally.flushing import accept, next_minute, run
from tests.support.tally.minutes import HISTORY, publish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]


@pytest.fixture(autouse=True)
def time_for_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has much else to do: a slice ends by its records."""
    monkeypatch.setattr(published_ids, "SLICE_SECONDS", 60.0)


def record(counter: str, *ids: Id) -> Minute:
    return SyncWriter(connect_for_accept()).record(ids, counter).minute


def slices(viewer: Client, key: str, id: str = "") -> list[dict[str, Any]]:
    """All of them, as the page asks for them."""
    found: list[dict[str, Any]] = []
    start: str | None = "0"
    while start is not None:
        answer = viewer.get(f"{HISTORY}{key}/ids/", {"start": start, "id": id})
        assert answer.status_code == 200
        found.append(answer.json())
        start = found[-1]["next"]
    return found


def test_its_ids_are_read_back_and_no_other_minutes(viewer: Client, store: CountStore) -> None:
    first = accept(store, 7, 7, 7, 2**60, 2**60)
    next_minute(store)
    run(store)
    second = accept(store, 7, 9)
    next_minute(store)
    run(store)
    follow({})
    [slice] = slices(viewer, str(first), "7")
    assert slice == {"top": [["7", 3], [str(2**60), 2]], "found": 3, "read": 2, "next": None}
    [slice] = slices(viewer, str(second), "8")
    assert (sorted(slice["top"]), slice["found"]) == ([["7", 1], ["9", 1]], None)
    page = viewer.get(f"{HISTORY}{first}/change/?id=%2B7").content.decode()
    assert 'data-id="7"' in page
    assert f"Minute {first.start:%Y-%m-%d %H:%M} " in page
    assert 'data-unique="2"' in page
    assert "must be" in viewer.get(f"{HISTORY}{first}/change/?id=x").content.decode()


def test_minutes_of_one_transaction_are_told_apart_slice_by_slice(
    viewer: Client, store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = []
    for n in range(3):
        minutes.append(accept(store, *range(n, n + 40)))
        next_minute(store)
    assert run(store) == minutes
    follow({})
    monkeypatch.setattr(published_ids, "SLICE_RECORDS", 1)
    monkeypatch.setattr(published_ids, "BATCH", 10)
    found = slices(viewer, str(minutes[1]), "40")
    assert len(found) > 4
    assert sorted(int(id) for slice in found for id, _ in slice["top"]) == list(range(1, 41))
    assert [slice["found"] for slice in found if slice["found"]] == [1]


def test_a_named_counter_has_its_own(viewer: Client, valkey: redis.Redis, settings: Settings) -> None:
    settings.COUNTERS = ("clicks_22",)
    minute = record("clicks_22", "a", "a", "b")
    assert record(DEFAULT, 5) == minute
    store = CountStore.known(valkey)
    next_minute(store)
    run(store)
    follow({})
    [slice] = slices(viewer, f"clicks_5F22_3A{minute}", "a")
    assert (slice["top"], slice["found"]) == ([["a", 2], ["b", 1]], 2)
    there = viewer.get(f"/admin/counter/pendingminute/{minute}/?counter=clicks_22", follow=True)
    assert f"/clicks_5F22_3A{minute}/ids/" in there.content.decode()


def test_what_kafka_no_longer_has_is_not_made_up(viewer: Client, store: CountStore) -> None:
    minute = accept(store, 1, 2)
    next_minute(store)
    run(store)
    follow({})
    new_topics()
    assert slices(viewer, str(minute), "1") == [{"top": [], "found": None, "read": 0, "next": None}]


def test_kafka_away_is_said(viewer: Client, kafka_process: ServerProcess) -> None:
    minute = Minute.parse("202611230801")
    publish(minute)
    kafka_process.kill()
    try:
        answer = viewer.get(f"{HISTORY}{minute}/ids/")
        assert answer.status_code == 503
        assert viewer.get(f"{HISTORY}{minute}/change/").status_code == 200
    finally:
        kafka_process.start()


def test_a_page_of_no_minute_is_not_there(viewer: Client) -> None:
    for rest in ("change/", "ids/"):
        assert viewer.get(f"{HISTORY}202611230801/{rest}").status_code == 404
    publish(Minute.parse("202611230801"))
    assert PublishedMinute.objects.count() == 1
    assert viewer.post(f"{HISTORY}202611230801/change/", {"unique": 0}).status_code == 403
    assert Client().get(f"{HISTORY}202611230801/ids/").status_code == 302
