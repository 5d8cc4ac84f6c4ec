"""The flush, run in this process against real Valkey and Kafka. Its crashes are in tests/faults."""

import io
import time
from collections import Counter
from contextlib import suppress
from threading import Thread

import pytest
import redis
from django.core.management import call_command
from django.test import override_settings
from pytest_django import Settings

from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis import clock
from counter.redis.clients import connect
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.keys import WHOLE
from counter.store.lease import Lease
from counter.store.publishing_state import PublishingState
from counter.store.rebucketing import spread_over
from tasks.errors import Halt, KafkaAway
from tasks.publishing import history, publication, rows
from tasks.publishing.flush import Flush
from tests.support.checker import Calls, verify
from tests.support.processes import ServerProcess
from tests.support.reading import id_counts, unique_counts
from tests.support.tally.flushing import accept, next_minute, pass_time, publish_one, run, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]


def test_nothing_was_ever_accepted(store: CountStore) -> None:
    assert run(store) == []
    assert unique_counts() == []
    assert store.sealed() is None


def test_publishes_a_minute_and_deletes_its_keys(store: CountStore, valkey: redis.Redis) -> None:
    minute = accept(store, 42, 43, 42, -1, 42)
    next_minute(store)
    assert run(store) == [minute]
    assert unique_counts() == [(str(minute), 3, 5)]
    assert id_counts() == {str(minute): {42: 3, 43: 1, -1: 1}}
    assert store.pending() == []
    assert {key for key in valkey.scan_iter() if not key.startswith(b"tally:writer:")} == {
        keys.ID.encode(),
        WHOLE.sealed.encode(),
        WHOLE.settled.encode(),
    }


def test_a_minute_of_many_buckets_is_one_record(store: CountStore, valkey: redis.Redis) -> None:
    ids = [*range(2000), *range(500)]
    with override_settings(REDIS_BUCKETS=16):
        spread_over(valkey, 16)
        store = CountStore.known(valkey)
        minute = accept(store, *ids)
        next_minute(store)
        in_each = [len(list(store._counts(bucket, minute))) for bucket in keys.buckets(16)]
        assert in_each == [1] * 16
        assert run(store) == [minute]
    verify(Calls(ok=Counter(ids)), valkey)
    assert unique_counts() == [(str(minute), 2000, 2500)]


def test_a_minute_is_over_when_it_is_over_on_every_node(
    store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = publish_one(store)
    waiting = accept(store, 1)
    behind = waiting.end - 1
    monkeypatch.setattr(clock, "of_nodes", lambda client: [behind + 2, behind])
    monkeypatch.setattr("tasks.publishing.checkpoint.time.time", lambda: behind)
    assert run(store) == []
    assert store.sealed() == published


def test_leaves_the_open_minute_alone(store: CountStore) -> None:
    published = publish_one(store)
    open_minute = accept(store, 7)
    assert open_minute == published + 1
    if not open_minute.is_closed(clock.now(store.client)):
        assert run(store) == []
        assert store.pending() == [open_minute]


def test_publishes_idle_minutes_with_zeros(store: CountStore) -> None:
    first = publish_one(store)
    store.seal(first + 3)
    last = accept(store, 5)
    next_minute(store)
    run(store)
    expected = [(str(first), 1, 1), *((str(first + n), 0, 0) for n in (1, 2, 3)), (str(last), 1, 1)]
    assert unique_counts() == expected


def test_an_old_backup_in_which_a_published_minute_is_open_is_settled(
    store: CountStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute = accept(store, 1, 2)
    PublishingState(store.client).identify()  # as the flush does that finds nothing to publish yet
    backup = {key: valkey.dump(key) or b"" for key in valkey.scan_iter()}
    pass_time(monkeypatch, 60)
    run(store)
    published = unique_counts()
    assert published[0] == (str(minute), 2, 2)
    valkey.flushall()
    for key, value in backup.items():
        valkey.restore(key, 0, value)
    run(store)
    assert store.pending() == []
    assert unique_counts()[: len(published)] == published


def test_publishes_a_backlog_in_order_and_in_few_transactions(
    store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_IDS", 10)
    minutes = []
    for n in range(9):
        minutes.append(accept(store, *range(4)))
        next_minute(store)
        assert len(minutes) == n + 1
    assert run(store) == minutes
    assert [row[0] for row in unique_counts()] == [str(minute) for minute in minutes]
    assert all(counts == dict.fromkeys(range(4), 1) for counts in id_counts().values())


def test_running_it_again_changes_nothing(store: CountStore) -> None:
    publish_one(store)
    before = unique_counts()
    assert run(store) == []
    assert unique_counts() == before


def test_keeps_the_history(store: CountStore) -> None:
    accept(store, 1)
    next_minute(store)
    report = Flush(store.client).run()
    [minute] = report.published
    assert history.follow(report.attempts) == 1
    row = PublishedMinute.objects.get()
    assert (row.minute, row.unique, row.total) == (str(minute), 1, 1)
    assert (row.partition, row.offset, row.attempts) == (0, 0, 1)


def test_id_counts_can_be_left_out(store: CountStore, settings: Settings) -> None:
    settings.PUBLISH_ID_COUNTS = False
    publish_one(store)
    assert len(unique_counts()) == 1
    assert id_counts() == {}
    assert store.pending() == []


def test_settles_what_was_published_before_a_crash(
    store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*args: object) -> None:
        raise KeyboardInterrupt

    minute = accept(store, *range(10))
    next_minute(store)
    with monkeypatch.context() as patch:
        patch.setattr(publication, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            run(store)
    assert store.pending() == [minute]
    assert run(store) == []
    assert store.pending() == []
    assert unique_counts() == [(str(minute), 10, 10)]


def test_only_one_flusher_works_at_a_time(store: CountStore) -> None:
    accept(store, 1)
    next_minute(store)
    holder = Lease(store.client)
    assert holder.take()
    report = Flush(store.client).run()
    assert report.published == []
    assert report.again_in
    holder.release()
    assert len(run(store)) == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_many_flushers_at_once_publish_nothing_twice(
    store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lease even: the fence is what counts."""
    monkeypatch.setattr("counter.store.lease.Lease.take", lambda self: True)
    for _ in range(3):
        accept(store, *range(100))
        next_minute(store)

    def flush() -> None:
        for _ in range(3):
            with suppress(Exception):  # fenced in every way there is
                Flush(connect()).run()

    threads = [Thread(target=flush) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(store)
    published = unique_counts()
    assert [row[1:] for row in published] == [(100, 100)] * 3
    assert all(len(counts) == 100 for counts in id_counts().values())
    assert store.pending() == []


def test_a_topic_without_records_stops_it_when_minutes_were_sealed(store: CountStore) -> None:
    minute = accept(store, 1)
    store.seal(minute)
    with pytest.raises(Halt, match="no record"):
        run(store)
    assert unique_counts() == []
    assert store.pending() == [minute]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b"hello", b"202611230801"),
        (b"", b"x"),
        (b'{"minute": "202611230801"}', b"202611230801"),
        (b'{"minute": "202611230801", "unique": 1, "total": 1, "published_at": "x"}', b"202611230801"),
        (
            b'{"minute": "202611230801", "unique": 1, "total": 1, "published_at": "2026-11-23T08:02:00Z"}',
            b"other",
        ),
        (
            b'{"minute": "209911230801", "unique": 1, "total": 1, "published_at": "2026-11-23T08:02:00Z"}',
            b"209911230801",
        ),
        (
            b'{"minute": "200011230801", "unique": 1, "total": 1, "published_at": "2026-11-23T08:02:00Z"}',
            b"200011230801",
        ),
    ],
)
def test_a_foreign_record_stops_it(store: CountStore, value: bytes, key: bytes) -> None:
    publish_one(store)
    waiting = accept(store, 1)
    next_minute(store)
    send(value, key)
    with pytest.raises(Halt):
        run(store)
    assert store.pending() == [waiting]


def test_an_operator_can_say_where_to_go_on(store: CountStore) -> None:
    published = publish_one(store)
    waiting = accept(store, 1)
    next_minute(store)
    send(b"hello", b"x")
    PublishingState(store.client).override(published, store.buckets)
    assert run(store) == [waiting]
    assert PublishingState(store.client).first() is None


def test_a_topic_that_lost_its_last_records_stops_it(store: CountStore) -> None:
    publish_one(store)
    accept(store, 1)
    PublishingState(store.client).override(store.sealed() or Minute(0), store.buckets)
    store.client.delete(keys.FIRST)
    store.client.set(WHOLE.settled, str((store.sealed() or Minute(0)) + 1))
    with pytest.raises(Halt, match="was in it already"):
        run(store)


def test_clocks_that_disagree_stop_it(store: CountStore, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(store, 1)
    next_minute(store)
    monkeypatch.setattr(clock, "of_nodes", lambda client: [time.time(), time.time() + 31])
    with pytest.raises(Halt, match="clocks"):
        run(store)
    assert unique_counts() == []


def test_an_index_that_does_not_fit_stops_it(store: CountStore, valkey: redis.Redis) -> None:
    minute = accept(store, 1, 2)
    next_minute(store)
    valkey.lpop(WHOLE.ids(minute))
    with pytest.raises(Halt, match="index"):
        run(store)
    assert store.pending() == [minute]


def test_a_lost_count_stops_it(store: CountStore, valkey: redis.Redis) -> None:
    minute = accept(store, 1, 2)
    next_minute(store)
    valkey.delete(f"{minute}_1")
    with pytest.raises(Halt, match="no count"):
        run(store)
    assert unique_counts() == []


def test_an_emptied_redis_goes_on_behind_the_topic_when_an_operator_has_spoken(
    store: CountStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = publish_one(store)
    valkey.flushall()
    pass_time(monkeypatch, 120)
    with pytest.raises(Halt, match="another Tally"):
        run(store)
    assert store.sealed() is None
    call_command("take_over", "--yes", stdout=io.StringIO())
    run(store)
    assert store.sealed() == published + 1
    assert accept(store, 1) == published + 2
    assert unique_counts() == [(str(published), 1, 1), (str(published + 1), 0, 0)]


def test_kafka_away_loses_nothing(
    store: CountStore, kafka_process: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.output.transaction.CALL_SECONDS", 1.0)
    minute = accept(store, 1)
    next_minute(store)
    kafka_process.kill()
    try:
        with pytest.raises(KafkaAway):
            run(store)
        assert accept(store, 2) == minute + 1
        assert store.pending() == [minute, minute + 1]
    finally:
        kafka_process.start()
    next_minute(store)
    assert [str(m) for m in run(store)] == [row[0] for row in unique_counts()]
    assert len(unique_counts()) == 2
