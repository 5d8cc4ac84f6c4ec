"""Changing ACCEPT_SINK, and the number of buckets, on a system that runs: nothing is lost either way."""

import subprocess
import time
from collections import Counter
from io import StringIO

import pytest
import redis
from confluent_kafka.admin import AdminClient
from django.core.management import CommandError, call_command
from django.test import override_settings
from pytest_django import Settings

from counter.kafka.client import client_config
from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import rebucketing
from counter.store.claim import count_claims
from counter.store.counts import CountStore
from counter.store.keys import buckets
from counter.store.offsets import Progress
from counter.store.rebucketing import EventsAreCounted, spread_over
from tasks.publishing.flush import Flush
from tests.support.checker import Calls, verify, verify_waiting
from tests.support.processes import ROOT, wait_until
from tests.support.reading import unique_counts
from tests.support.requests_topic import Requests, at, claim, consolidating, delete_topic
from tests.support.tally.flushing import pass_time
from tests.support.tally.web import manage_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic(kafka: None, valkey: redis.Redis) -> Requests:
    return Requests()


@pytest.fixture
def now(topic: Requests, store: CountStore, monkeypatch: pytest.MonkeyPatch) -> Minute:
    """The minute of a call that was counted at once; it is over, as the flush sees it."""
    recorder = SyncWriter(connect_for_accept())
    minute = recorder.record([1, 2]).minute
    monkeypatch.setattr(clock, "now", lambda client: minute.end + 1)
    return minute


def leave() -> None:
    call_command("leave_event_mode", "--yes", stdout=StringIO())


def set_buckets() -> None:
    call_command("set_buckets", stdout=StringIO())


def test_a_minute_of_both_kinds_has_all_calls_once(
    topic: Requests, store: CountStore, valkey: redis.Redis, settings: Settings, now: Minute
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic.append(0, at(now, 30), 1, 3)
    assert Flush(store.client).run().published == [], "events may be there that nobody has counted"
    topic.mark(at(now + 1))
    topic.count(valkey)
    assert Flush(store.client).run().published == [now]
    assert unique_counts() == [(str(now), 3, 4)]


def test_events_hold_minutes_back_also_when_calls_are_counted_at_once_again(
    topic: Requests, store: CountStore, valkey: redis.Redis, now: Minute
) -> None:
    topic.mark(at(now))
    topic.count(valkey)
    topic.append(0, at(now, 30), 3)
    assert Flush(store.client).run().published == []
    with pytest.raises(CommandError, match="1 events that are not counted"):
        leave()
    topic.count(valkey)
    leave()
    assert Flush(store.client).run().published == [now]
    assert unique_counts() == [(str(now), 3, 3)]


def test_event_mode_is_not_left_while_calls_may_become_events(topic: Requests, settings: Settings) -> None:
    settings.ACCEPT_SINK = "kafka"
    with pytest.raises(CommandError, match="ACCEPT_SINK"):
        leave()


def test_it_asks_before_it_leaves(topic: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("leave_event_mode", stderr=StringIO())


def test_a_script_is_told_that_there_is_nobody_to_ask(topic: Requests) -> None:
    done = subprocess.run(
        manage_command("leave_event_mode"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("nothing was changed: there is nobody to ask. In a script, add --yes\n")


def test_a_replay_without_events_makes_no_topics(kafka: None, valkey: redis.Redis) -> None:
    delete_topic(AdminClient(client_config()))
    with pytest.raises(CommandError, match="requests"):
        call_command("replay", "202611230801", "--prefix=again.", stdout=StringIO())
    assert "again.unique-counts" not in AdminClient(client_config()).list_topics().topics


def test_a_consolidator_without_event_mode_says_what_to_set(
    kafka: None, valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    delete_topic(AdminClient(client_config()))
    with consolidating():
        wait_until(lambda: "set ACCEPT_SINK=kafka" in caplog.text, "it says what to set")


def test_a_system_may_begin_with_events_again(
    topic: Requests, store: CountStore, valkey: redis.Redis, settings: Settings, now: Minute
) -> None:
    topic.append(0, at(now, 30), 3)
    topic.count(valkey)
    leave()
    settings.ACCEPT_SINK = "kafka"
    again = Requests()
    again.append(1, at(now, 30), 3, 4)
    again.mark(at(now + 1))
    again.count(valkey)
    assert Flush(store.client).run().published == [now]
    assert unique_counts() == [(str(now), 4, 5)]


def test_the_number_of_buckets_is_changed_outside_of_event_mode_alone(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = Minute.at(time.time()) - 30
    topic.append(0, at(first), 1, 2)
    with consolidating():
        topic.wait_counted(valkey)
        with override_settings(REDIS_BUCKETS=16), pytest.raises(CommandError, match="leave event mode first"):
            set_buckets()
        topic.append(0, at(first), 2)
        topic.mark(at(first + 1))
        topic.wait_counted(valkey)
    leave()
    settings.REDIS_BUCKETS = 16
    set_buckets()
    settings.ACCEPT_SINK = "kafka"
    again, second = Requests(), Minute.at(clock.now(store.client)) + 1
    again.append(1, at(second), 2, 3)
    again.mark(at(second + 1))
    again.count(valkey)
    pass_time(monkeypatch, second.end - clock.now(store.client) + 1)
    Flush(valkey).run()
    assert [row for row in unique_counts() if row[1]] == [(str(first), 2, 3), (str(second), 2, 2)]
    verify(Calls(ok=Counter([1, 2, 2, 2, 3])), valkey)


def test_minutes_wait_for_events_in_another_number_of_buckets(
    topic: Requests, store: CountStore, valkey: redis.Redis, now: Minute
) -> None:
    topic.mark(at(now))
    topic.count(valkey)
    topic.append(0, at(now, 30), 3)
    with override_settings(REDIS_BUCKETS=16):
        assert Flush(valkey).run().published == []


def test_a_consolidator_with_another_number_of_buckets_begins_nothing(
    topic: Requests,
    store: CountStore,
    valkey: redis.Redis,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    topic.append(0, time.time(), 1, 2)
    settings.REDIS_BUCKETS = 16
    with consolidating():
        wait_until(lambda: "over 1 buckets" in caplog.text, "it says what is wrong")
        assert not valkey.exists(*(bucket.requests for bucket in buckets(16)))
        set_buckets()
        topic.wait_counted(valkey)
    verify_waiting(Calls(ok=Counter([1, 2])), valkey)


def test_a_consolidator_that_begins_in_the_middle_of_a_change_breaks_it_off(
    store: CountStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it does first: it notes where a partition begins, and counts. Kafka has no part in that."""
    write, progress = rebucketing._write, Progress(valkey)

    def begin(client: redis.Redis, name: str, command: str, *values: int) -> None:
        if command == "SADD":
            progress.begin(0, 0)
            assert count_claims(valkey, [claim(0, 2, Minute.at(clock.now(store.client)), 1, 2)]) == []
        write(client, name, command, *values)

    with monkeypatch.context() as patch:
        patch.setattr(rebucketing, "_write", begin)
        with pytest.raises(EventsAreCounted):
            spread_over(valkey, 16)
    assert spread_over(valkey, 1), "the way back"
    sealed = store.sealed()
    assert sealed
    assert count_claims(valkey, [claim(2, 4, sealed + 1, 2, 3)]) == []
    verify_waiting(Calls(ok=Counter([1, 2, 2, 3])), valkey)
