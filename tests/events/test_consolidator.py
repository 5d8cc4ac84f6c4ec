"""Events become counts: each once, in the minute that the log says, whatever happens to who counts them."""

import time
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from pytest_django import Settings
from redis.exceptions import RedisError, ResponseError

from counter.ids import Id
from counter.minute import Minute
from counter.store.claim import count_claims
from counter.store.counts import CountStore, Stats
from counter.store.keys import WHOLE
from counter.store.offsets import Progress
from counter.store.publishing_state import PublishingState
from embedded.kafka import Kafka
from embedded.ports import free_port
from tasks.errors import Halt, KafkaAway, StartOver
from tasks.events.group import group
from tasks.publishing.flush import Flush
from tests.support.checker import Calls, verify
from tests.support.directives import configured, used_memory
from tests.support.processes import DEADLINE_SECONDS, ServerProcess, run, wait_until
from tests.support.reading import unique_counts
from tests.support.requests_topic import Requests, at, claim, consolidating
from tests.support.tally.systems import systems

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic(kafka: None, settings: Settings, valkey: redis.Redis) -> Requests:
    settings.ACCEPT_SINK = "kafka"
    return Requests()


@pytest.fixture
def first() -> Minute:
    """A minute that was over long ago."""
    return Minute.at(time.time()) - 30


def counts(store: CountStore, minute: Minute) -> dict[Id, int]:
    return dict(count for chunk in store.counts(minute) for count in chunk)


def test_each_event_counts_once_in_its_minute(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1, 1, 2)
    topic.append(1, at(first, 59.9), -5, 2**63 - 1)
    topic.append(1, at(first + 1), 1)
    topic.count(valkey)
    assert counts(store, first) == {1: 2, 2: 1, -5: 1, 2**63 - 1: 1}
    assert counts(store, first + 1) == {1: 1}
    assert store.stats([first, first + 1]) == [Stats(4, 5), Stats(1, 1)]


def test_an_events_minute_is_that_of_the_highest_append_time_so_far(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    """In one fetch, and where the later time was counted long before."""
    topic.append(0, at(first + 2), 1)
    topic.append(0, at(first), 2)  # the clock of another leader
    topic.append(1, at(first), 3)
    topic.count(valkey)
    topic.append(0, at(first), 4)
    topic.count(valkey)
    assert counts(store, first) == {3: 1}
    assert counts(store, first + 2) == {1: 1, 2: 1, 4: 1}


def test_batches_are_cut_at_the_ends_of_minutes_and_scripts(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    for n in range(3):
        topic.append(0, at(first + n), *range(2500))
        topic.mark(at(first + n, 30))
    topic.count(valkey)
    assert store.stats([first + n for n in range(3)]) == [Stats(2500, 2500)] * 3


def test_records_that_are_not_tallys_are_left_alone(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    for key in (b"x", b"", b"9223372036854775808", b"1.5"):
        topic.append_record(0, at(first), b"{}", key)
    topic.append(0, at(first), 7)
    topic.count(valkey)
    assert counts(store, first) == {7: 1}


@pytest.fixture
def progress(valkey: redis.Redis) -> Progress:
    progress = Progress(valkey)
    progress.begin(0, 0)
    return progress


def test_what_was_counted_is_refused(progress: Progress, store: CountStore, first: Minute) -> None:
    assert count_claims(store.client, [claim(0, 2, first, 1, 2), claim(2, 3, first + 1, 1)]) == []
    for repeated in (claim(0, 2, first, 1, 2), claim(1, 4, first, 2, 3), claim(0, 4, first, 1)):
        assert [each.claim for each in count_claims(store.client, [repeated])] == [repeated]
    assert store.stats([first, first + 1]) == [Stats(2, 2), Stats(1, 1)]
    assert progress.positions()[0][0].next == 3


def test_what_is_not_next_is_refused(progress: Progress, store: CountStore, first: Minute) -> None:
    assert len(count_claims(store.client, [claim(1, 2, first, 1), claim(2, 3, first, 1)])) == 2
    assert store.pending() == []


def test_nothing_is_counted_in_a_sealed_minute(progress: Progress, store: CountStore, first: Minute) -> None:
    store.seal(first)
    [refusal] = count_claims(store.client, [claim(0, 1, first, 1)])
    assert refusal.sealed == first
    assert store.pending() == []
    assert progress.positions()[0][0].next == 0


def test_nothing_is_counted_by_who_thinks_that_there_are_more_or_less_buckets(
    progress: Progress, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    for closed_or_changed in (0, 16):
        valkey.set(WHOLE.layout, closed_or_changed)
        with pytest.raises(ResponseError, match="LAYOUT"):
            count_claims(store.client, [claim(0, 1, first, 1)])
        assert store.pending() == []
        assert progress.positions()[0][0].next == 0
    valkey.set(WHOLE.layout, 1)
    assert count_claims(store.client, [claim(0, 1, first, 1)]) == []


def test_a_crowded_redis_is_left_to_partitions_behind_so_that_minutes_end(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    first: Minute,
    caplog: pytest.LogCaptureFixture,
) -> None:
    minutes, megabytes = 12, 4
    limit = used_memory(valkey) + megabytes * 2**20
    with configured(valkey, "maxmemory", limit), consolidating():
        for n in range(minutes):
            topic.append(0, at(first + n), *range(5000))
        wait_until(lambda: "crowded" in caplog.text or "of maxmemory" in caplog.text, "one is far ahead")
        for n in range(minutes):
            topic.append(1, at(first + n), *range(10_000, 13_000))
            topic.append(2, at(first + n), *range(20_000, 23_000))
        topic.mark(at(first + minutes))

        def is_published() -> bool:
            with suppress(RedisError, KafkaAway, StartOver):  # ticks go on
                Flush(store.client).run()
            return store.settled() == first + minutes - 1

        wait_until(is_published, "all minutes are published", 3 * DEADLINE_SECONDS)
    assert unique_counts() == [(str(first + n), 11_000, 11_000) for n in range(minutes)]


def test_a_full_redis_keeps_events_waiting_and_loses_none(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    first: Minute,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with consolidating():
        wait_until(lambda: len(Progress(valkey).positions()) == 3, "it reads")
        with configured(valkey, "maxmemory", "1mb"):
            topic.append(0, at(first), *range(100))
            wait_until(lambda: "counting waits" in caplog.text, "it was refused")
        topic.wait_counted(valkey)
    assert store.stats([first]) == [Stats(100, 100)]


def test_a_minute_waits_for_every_partition(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1)
    topic.mark(at(first + 1), 0, 1)
    with consolidating():
        topic.wait_counted(valkey)
        assert Flush(store.client).run().published == [], (
            "partition 2 is idle: nobody knows what time it is there"
        )
        topic.mark(at(first + 1), 2)
        topic.wait_counted(valkey)
    assert Flush(store.client).run().published == [first]
    assert unique_counts() == [(str(first), 1, 1)]


def test_a_minute_that_is_not_over_by_redis_clock_waits_as_well(
    topic: Requests, store: CountStore, valkey: redis.Redis
) -> None:
    now = Minute.at(time.time())
    topic.append(0, at(now + 10), 1)
    topic.mark(at(now + 20))
    topic.count(valkey)
    assert Flush(store.client).run().published == []


def test_an_added_partition_holds_minutes_back_until_it_has_been_read(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1)
    topic.mark(at(first + 1))
    topic.count(valkey)
    added = topic.add_partition()
    topic.append(added, at(first), 1, 2)
    assert Flush(store.client).run().published == []
    topic.mark(at(first + 1), added)
    topic.count(valkey)
    assert Flush(store.client).run().published == [first]
    assert unique_counts() == [(str(first), 2, 3)]


def test_the_first_minute_is_the_earliest_of_all_partitions(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first + 5), 1)
    topic.mark(at(first + 9), 0, 1)
    with consolidating():
        topic.wait_counted(valkey)
        assert Flush(store.client).run().published == []
        topic.append(2, at(first), 2)
        topic.mark(at(first + 9), 2)
        topic.wait_counted(valkey)
    Flush(store.client).run()
    assert [minute for minute, _, _ in unique_counts()] == [str(first + n) for n in range(9)]


def test_several_share_the_partitions_and_count_each_event_once(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    calls = Calls()
    with consolidating():
        for n in range(6):
            topic.append(n % 3, at(first), *range(n * 700, n * 700 + 1000))
            calls.ok.update(range(n * 700, n * 700 + 1000))
        with consolidating(2):  # these join, and take over
            for n in range(6):
                topic.append(n % 3, at(first), *range(1000))
                calls.ok.update(range(1000))
            topic.wait_counted(valkey)
        topic.append(0, at(first), 1)  # and these are gone
        calls.ok[1] += 1
        topic.mark(at(first + 1))
        topic.wait_counted(valkey)
    assert Flush(store.client).run().published == [first]
    verify(calls, valkey)


def publish(topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute) -> Calls:
    """Two minutes in the topic, of which the first is published and the second open."""
    topic.append(0, at(first), 1, 2)
    topic.append(1, at(first), 3)
    topic.mark(at(first + 1))
    topic.append(0, at(first + 1), 1)
    topic.append(2, at(first + 1), 4, 4)
    topic.count(valkey)
    assert Flush(store.client).run().published == [first]
    calls = Calls()
    calls.ok.update([1, 2, 3, 1, 4, 4])
    return calls


def publish_second(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute, calls: Calls
) -> None:
    """The second of them, too; it must have all that is left. While somebody counts."""
    topic.mark(at(first + 2))
    topic.wait_counted(valkey)
    assert Flush(store.client).run().published == [first + 1]
    verify(calls, valkey)


def test_a_redis_that_lost_everything_is_filled_again_from_the_events_when_an_operator_has_spoken(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    first: Minute,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.events.own_topic.LOOK_SECONDS", 1.0)
    calls = publish(topic, store, valkey, first)
    with consolidating():
        topic.wait_counted(valkey)
        valkey.flushall()
        topic.append(0, at(first + 1), 5)
        calls.ok[5] += 1
        wait_until(lambda: "written by another Tally" in caplog.text, "it says why it waits")
        with pytest.raises(Halt, match="another Tally"):
            Flush(store.client).run()
        assert Progress(valkey).positions() == {}
        call_command("take_over", "--yes", stdout=StringIO())
        publish_second(topic, store, valkey, first, calls)


def test_a_second_tally_leaves_the_events_to_the_first(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    first: Minute,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = publish(topic, store, valkey, first)
    with systems(tmp_path, 1) as [second], consolidating():
        with second.at_work(), consolidating():
            wait_until(lambda: "written by another Tally" in caplog.text, "it says why it waits")
            publish_second(topic, store, valkey, first, calls)
        assert Progress.known(second.store.client).positions() == {}
        with pytest.raises(Halt, match="another Tally"):
            second.flush()


def test_two_new_ones_count_all_events_each_until_one_has_published(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    first: Minute,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.events.own_topic.LOOK_SECONDS", 1.0)
    topic.append(0, at(first), 1, 2)
    topic.append(2, at(first), 2)
    topic.mark(at(first + 1))
    with systems(tmp_path, 1) as [second], consolidating(), second.at_work(), consolidating():
        topic.wait_counted(valkey)
        topic.wait_counted(second.client)
        assert Flush(store.client).run().published == [first]
        with pytest.raises(Halt, match="another Tally"):
            second.flush()
        wait_until(lambda: is_left(topic, second.store), "it has left its group")
        topic.append(0, at(first + 1), 3)
        topic.mark(at(first + 2))
        topic.wait_counted(valkey)
        assert second.store.pending() == [first]
        assert Flush(store.client).run().published == [first + 1]
        second.take_over("--yes", "--drop")
        topic.append(1, at(first + 2), 1)
        topic.mark(at(first + 3))
        topic.wait_counted(second.client)
        assert second.flush() == [first + 2]
        with pytest.raises(Halt, match="another Tally"):
            Flush(store.client).run()
    assert unique_counts() == [(str(first), 2, 3), (str(first + 1), 1, 1), (str(first + 2), 1, 1)]


def is_left(topic: Requests, store: CountStore) -> bool:
    return topic.members(group(PublishingState(store.client).identity())) == 0


def test_an_old_backup_of_redis_is_brought_up_to_date_from_the_events(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1)
    topic.count(valkey)
    backup = {key: valkey.dump(key) for key in valkey.scan_iter()}
    topic.append(0, at(first), 1, 5)
    calls = publish(topic, store, valkey, first)
    calls.ok.update([1, 1, 5])
    valkey.flushall()
    for key, value in backup.items():
        valkey.restore(key, 0, value)  # type: ignore[arg-type]
    Flush(store.client).run()  # which knows from the topic that the first minute is sealed
    with consolidating():
        topic.wait_counted(valkey)
        publish_second(topic, store, valkey, first, calls)


def test_events_of_a_minute_that_was_sealed_by_force_count_in_the_next(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1)
    with consolidating():
        topic.wait_counted(valkey)
        PublishingState(store.client).begin_at(first)
        store.seal(first)
        assert Flush(store.client).run().published == [first]
        topic.append(0, at(first), 1, 2)
        topic.mark(at(first + 2))
        topic.wait_counted(valkey)
    assert counts(store, first + 1) == {1: 1, 2: 1}
    Flush(store.client).run()
    assert unique_counts() == [(str(first), 1, 1), (str(first + 1), 2, 2)]


def test_events_that_kafka_deleted_uncounted_stop_their_partition_until_an_operator_has_spoken(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    first: Minute,
    caplog: pytest.LogCaptureFixture,
) -> None:
    topic.append(0, at(first), 1, 2)
    topic.count(valkey)
    topic.append(0, at(first), 3, 4)
    topic.append(1, at(first), 5)
    topic.mark(at(first + 1))
    topic.delete_before(0, 3)
    with consolidating():
        wait_until(lambda: Progress(valkey).positions()[1][0].next == 2, "the other partitions go on")
        wait_until(lambda: "the offset is out of the log" in caplog.text, "it says so")
    assert Flush(store.client).run().published == []
    with consolidating(skip_lost=True):
        topic.wait_counted(valkey)
    assert counts(store, first) == {1: 1, 2: 1, 4: 1, 5: 1}


def test_what_the_group_says_of_its_offsets_is_of_no_account(
    topic: Requests, store: CountStore, valkey: redis.Redis, first: Minute
) -> None:
    topic.append(0, at(first), 1, 2, 3)
    topic.count(valkey)
    topic.append(0, at(first), 4)
    assert topic.commit(group(PublishingState(store.client).identity()), 0, 1)
    topic.count(valkey)
    topic.append(0, at(first), 5)
    topic.forget(group(PublishingState(store.client).identity()))
    topic.count(valkey)
    assert counts(store, first) == dict.fromkeys(range(1, 6), 1)


def test_a_consumer_that_hears_nothing_is_made_anew(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    first: Minute,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its client may have lost its way in a restart of Kafka, and would never say so."""
    caplog.set_level("INFO")
    monkeypatch.setattr("tasks.events.consolidator.SILENT_SECONDS", 1.0)
    with consolidating():
        topic.append(0, at(first), *range(100))
        topic.wait_counted(valkey)
        wait_until(lambda: caplog.text.count("reading anew") >= 2, "it reads anew")
        topic.append(0, at(first), *range(100))
        topic.wait_counted(valkey)
    assert store.stats([first]) == [Stats(100, 200)]


def test_a_group_that_nobody_can_join_is_said(
    valkey: redis.Redis,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Kafka's clients go on asking. Here the groups' own topic wants more brokers than there are."""
    kafka = Kafka(tmp_path / "kafka", free_port(), properties={"offsets.topic.replication.factor": "3"})
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.bootstrap_servers
    settings.ACCEPT_SINK = "kafka"
    monkeypatch.setattr("tasks.events.consolidator.SILENT_SECONDS", 1.0)
    with run(ServerProcess(kafka)):
        Requests()
        with consolidating():
            wait_until(lambda: "the coordinator of the consumer group" in caplog.text, "it says why")


@pytest.mark.parametrize("who", ["valkey_process", "kafka_process"])
def test_it_waits_for_a_server_that_is_away_and_goes_on(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    first: Minute,
    who: str,
    request: pytest.FixtureRequest,
) -> None:
    process = request.getfixturevalue(who)
    with consolidating():
        topic.append(0, at(first), *range(100))
        topic.wait_counted(valkey)
        process.kill()
        process.start()
        topic.append(1, at(first), *range(100))
        topic.wait_counted(valkey)
    assert store.stats([first]) == [Stats(100, 200)]
