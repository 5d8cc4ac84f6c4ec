"""Changing ACCEPT_SINK on a system that runs: nothing is lost either way."""

import time
from io import StringIO

import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django import Settings

from counter.connection import connect_for_accept
from counter.minute import Minute
from counter.recorder import Recorder
from counter.store import CountStore
from tasks.flush import Flush
from tests.reading import unique_counts
from tests.requests_topic import Requests, consolidating
from tests.test_consolidator import at

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic(kafka: None, valkey: redis.Redis) -> Requests:
    return Requests()


@pytest.fixture
def now(topic: Requests, store: CountStore, monkeypatch: pytest.MonkeyPatch) -> Minute:
    """The minute of a call that was counted at once; it is over, as the flush sees it."""
    recorder = Recorder(connect_for_accept())
    minute = recorder.record([1, 2]).minute
    really = CountStore.now
    monkeypatch.setattr(CountStore, "now", lambda self: really(self) + 60)
    return minute


def leave() -> None:
    call_command("leave_event_mode", "--yes", stdout=StringIO())


def test_a_minute_of_both_kinds_has_all_calls_once(
    topic: Requests, store: CountStore, valkey: redis.Redis, settings: Settings, now: Minute
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic.append(0, at(now, 30), 1, 3)
    assert Flush(store).run().published == [], "events may be there that nobody has counted"
    topic.mark(at(now + 1))
    with consolidating():
        topic.wait_counted(valkey)
    assert Flush(store).run().published == [now]
    assert unique_counts() == [(str(now), 3, 4)]


def test_events_hold_minutes_back_also_when_calls_are_counted_at_once_again(
    topic: Requests, store: CountStore, valkey: redis.Redis, now: Minute
) -> None:
    with consolidating():
        topic.mark(at(now))
        topic.wait_counted(valkey)
    topic.append(0, at(now, 30), 3)
    assert Flush(store).run().published == []
    with pytest.raises(CommandError, match="1 events that are not counted"):
        leave()
    with consolidating():
        topic.wait_counted(valkey)
    leave()
    assert Flush(store).run().published == [now]
    assert unique_counts() == [(str(now), 3, 3)]


def test_event_mode_is_not_left_while_calls_may_become_events(topic: Requests, settings: Settings) -> None:
    settings.ACCEPT_SINK = "kafka"
    with pytest.raises(CommandError, match="ACCEPT_SINK"):
        leave()


def test_it_asks_before_it_leaves(topic: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("leave_event_mode", stderr=StringIO())


def test_a_system_may_begin_with_events_again(
    topic: Requests, store: CountStore, valkey: redis.Redis, settings: Settings, now: Minute
) -> None:
    topic.append(0, time.time(), 3)
    with consolidating():
        topic.wait_counted(valkey)
    leave()
    settings.ACCEPT_SINK = "kafka"
    again = Requests()
    again.append(1, at(now, 30), 3, 4)
    again.mark(at(now + 1))
    with consolidating():
        again.wait_counted(valkey)
    assert Flush(store).run().published == [now]
    assert unique_counts() == [(str(now), 4, 5)]
