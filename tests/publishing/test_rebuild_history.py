"""`tally rebuild_history`: the history from the topic alone."""

import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from counter.models import PublishedMinute
from counter.store.counts import CountStore
from tasks.management.commands import rebuild_history
from tasks.output.published_log import Published
from tasks.publishing import history
from tasks.publishing.flush import Flush
from tests.support.processes import ServerProcess
from tests.support.tally.flushing import accept, next_minute, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]


def publish(store: CountStore, minutes: int) -> list[Any]:
    """So many minutes; their rows."""
    for n in range(minutes):
        accept(store, *range(n + 1))
        next_minute(store)
    history.follow(Flush(store.client).run().attempts)
    return list(PublishedMinute.objects.values())


def test_a_lost_history_is_made_again(
    store: CountStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_history, "CHUNK", 2)
    rows = publish(store, 5)
    PublishedMinute.objects.all().delete()
    call_command("rebuild_history")
    assert list(PublishedMinute.objects.values()) == [row | {"attempts": 0} for row in rows]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"2 minutes, up to {rows[-2]['minute']}"
    assert said[-1] == "The history has all of the topic: 5 minutes."


def test_a_slow_database_is_no_broker_that_is_away(
    store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restore_slowly(published: list[Published]) -> None:
        time.sleep(2)
        restore(published)

    rows = publish(store, 3)
    restore = history.restore
    monkeypatch.setattr(history, "restore", restore_slowly)
    monkeypatch.setattr(rebuild_history, "CHUNK", 1)
    monkeypatch.setattr("tasks.kafka.reader.ASK_SECONDS", 4.0)
    call_command("rebuild_history")
    assert PublishedMinute.objects.count() == len(rows)


def test_what_is_there_is_put_right_and_attempts_stay(store: CountStore) -> None:
    rows = publish(store, 2)
    PublishedMinute.objects.update(unique=99, attempts=3)
    call_command("rebuild_history")
    assert list(PublishedMinute.objects.values()) == [row | {"attempts": 3} for row in rows]


def test_an_empty_topic_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("rebuild_history")
    assert "all of the topic: 0 minutes" in capsys.readouterr().out


def test_a_foreign_record_ends_it_with_a_line(store: CountStore) -> None:
    publish(store, 1)
    send(b"hello", b"x")
    with pytest.raises(CommandError, match="can't be read"):
        call_command("rebuild_history")


def test_kafka_away_ends_it_with_a_line(
    kafka_process: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.kafka.reader.ASK_SECONDS", 1.0)
    kafka_process.kill()
    try:
        with pytest.raises(CommandError):
            call_command("rebuild_history")
    finally:
        kafka_process.start()
