"""The command line, by what it writes."""

import io
import json

import pytest
import redis
from django.core.management import CommandError, call_command

from counter.ids import Id
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore, Stats
from counter.store.keys import WHOLE, Bucket
from counter.store.orphans import Orphan, Orphans
from counter.store.publishing_state import PublishingState
from tests.support.reading import id_counts, unique_counts
from tests.support.tally.commands import command, facts
from tests.support.tally.flushing import accept, next_minute, publish_one


def test_pending_lists_the_minutes(store: CountStore) -> None:
    assert facts("pending") == []
    minute = accept(store, 1, 2, 1)
    (row,) = facts("pending")
    assert (row["minute"], row["state"], row["unique"], row["total"]) == (str(minute), "open", 2, 3)
    assert command("pending").splitlines()[1].split()[:4] == [str(minute), "open", "2", "3"]


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_flush_publishes_what_is_closed(store: CountStore) -> None:
    minutes = []
    for _ in range(3):
        minutes.append(str(accept(store, 1)))
        next_minute(store)
    accept(store, 1)
    assert facts("publish") == {"published": minutes}
    assert [row[0] for row in unique_counts()] == minutes
    assert PublishedMinute.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_flush_says_why_it_stops(store: CountStore) -> None:
    store.seal(accept(store, 1))
    with pytest.raises(CommandError, match="no record"):
        command("publish")


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_last_reads_the_topic(store: CountStore) -> None:
    assert facts("last_published") is None
    minute = publish_one(store)
    last = facts("last_published")
    assert (last["minute"], last["unique"], last["total"], last["offset"]) == (str(minute), 1, 1, 0)
    assert str(minute) in command("last_published")


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_set_last_published_lets_publishing_go_on(store: CountStore) -> None:
    lost = accept(store, 1)
    store.seal(lost)
    with pytest.raises(CommandError):
        command("publish")
    before = lost - 1
    assert facts("set_last_published", str(before), "--yes") == {"last_published": str(before), "dropped": []}
    assert facts("publish") == {"published": [str(lost)]}


def test_set_last_published_asks(store: CountStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    with pytest.raises(CommandError, match="nothing was changed"):
        command("set_last_published", "202601010000")
    assert PublishingState(store.client).first() is None
    monkeypatch.setattr("builtins.input", lambda prompt: "202601010000")
    command("set_last_published", "202601010000")
    assert store.settled() == Minute.parse("202601010000")


@pytest.mark.parametrize("minute", ["x", "209901010000"])
def test_set_last_published_refuses_what_can_t_be(store: CountStore, minute: str) -> None:
    with pytest.raises(CommandError):
        command("set_last_published", minute, "--yes")
    assert PublishingState(store.client).first() is None


def test_verify_finds_nothing_where_all_is_well(store: CountStore) -> None:
    store.seal(accept(store, *range(2500 % 1000), -1))
    accept(store, 1, 2)
    assert facts("verify_counts") == []


def test_verify_finds_what_no_index_knows(store: CountStore, valkey: redis.Redis) -> None:
    minute = accept(store, 1, 2)
    stray = {"minute": "202601010000", "id": 7, "count": 3}
    valkey.set("202601010000_7", 3)
    valkey.set(f"{minute}_-5", 2)
    valkey.mset({"202601010000_x": 1, "202613010000_1": 1, f"{minute}_07": 1, "202601010000_8": "many"})
    with pytest.raises(SystemExit):
        command("verify_counts")
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_counts", "--json", stdout=out)
    assert json.loads(out.getvalue()) == [stray, {"minute": str(minute), "id": -5, "count": 2}]


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_verify_adopts_into_the_minute_or_the_next_open_one(store: CountStore, valkey: redis.Redis) -> None:
    sealed = accept(store, 1, 2)
    next_minute(store)
    minute = accept(store, 1)
    valkey.set(f"{sealed}_1", 9, keepttl=True)
    valkey.lrem(WHOLE.ids(sealed), 1, "1")
    valkey.hset(WHOLE.stats(sealed), mapping={"unique": 1, "total": 1})
    valkey.set(f"{minute}_5", 4, ex=1000)
    adopted = facts("verify_counts", "--adopt")
    assert [(each["id"], each["counted_in"]) for each in adopted] == [(1, str(minute)), (5, str(minute))]
    assert facts("verify_counts", "--adopt") == []
    assert store.stats([minute]) == [Stats(2, 14)]
    assert valkey.ttl(f"{minute}_5") == -1
    next_minute(store)
    command("publish")
    assert id_counts() == {str(sealed): {2: 1}, str(minute): {1: 10, 5: 4}}


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_verify_adopts_a_minute_that_was_forgotten(store: CountStore, valkey: redis.Redis) -> None:
    minute = accept(store, 1, 2, 2)
    valkey.zrem(WHOLE.pending, str(minute))
    assert len(facts("verify_counts", "--adopt")) == 2
    assert store.stats([minute]) == [Stats(2, 3)]
    next_minute(store)
    command("publish")
    assert id_counts() == {str(minute): {1: 1, 2: 2}}


def test_verify_adopts_nothing_into_a_minute_that_is_sealed_meanwhile(
    store: CountStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute = accept(store, 1)
    valkey.set(f"{minute}_5", 2)
    home = Orphans._home

    def late(self: Orphans, stray: Orphan) -> Minute:
        chosen = home(self, stray)
        store.seal(minute)
        return chosen

    monkeypatch.setattr(Orphans, "_home", late)
    (adopted,) = facts("verify_counts", "--adopt")
    assert adopted["counted_in"] == str(minute + 1)
    assert store.stats([minute, minute + 1]) == [Stats(1, 1), Stats(1, 2)]


def test_verify_is_right_while_calls_come_in(store: CountStore, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, indexed = SyncWriter(connect_for_accept()), Orphans._indexed

    def late(self: Orphans, bucket: Bucket, minute: Minute) -> list[Id]:
        known = list(indexed(self, bucket, minute))
        recorder.record(range(1000, 1100))
        return known

    recorder.record(range(100))
    monkeypatch.setattr(Orphans, "_indexed", late)
    assert facts("verify_counts") == []
