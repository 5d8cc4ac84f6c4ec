"""Counting a published minute again from its page, in event mode."""

import re
import time

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import Settings

from counter.journal.audit_log import LOCK, AuditLog, AuditRun
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.store.counts import CountStore
from tasks.audits.audit_task import audit_minute
from tasks.publishing.flush import Flush
from tasks.publishing.history import follow
from tests.support.requests_topic import Requests, at
from tests.support.tally.minutes import HISTORY

pytestmark = pytest.mark.django_db


@pytest.fixture
def first(kafka: None, settings: Settings, valkey: redis.Redis) -> Minute:
    """Some events of a minute that are counted, and not yet published."""
    settings.ACCEPT_SINK = "kafka"
    first = Minute.at(time.time()) - 30
    topic = Requests()
    topic.mark(at(first - 1))
    topic.append(0, at(first), *range(50), 1)
    topic.mark(at(first + 1))
    topic.count(valkey)
    return first


@pytest.fixture
def published(first: Minute, store: CountStore) -> Minute:
    publish(store)
    return first


def publish(store: CountStore) -> None:
    while Flush(store.client).run().published:
        pass
    follow({})


def page(client: Client, minute: Minute) -> str:
    """The part of the page that is asked for again and again."""
    answer = client.get(f"{HISTORY}{minute}/audit/")
    assert answer.status_code == 200
    return answer.content.decode()


def asked(valkey: redis.Redis) -> int:
    """How many messages wait for a worker that would count again."""
    return sum(b"audit_minute" in message for message in valkey.lrange("tally.flush", 0, -1))


def test_it_is_counted_again_by_a_worker(operator: Client, published: Minute, valkey: redis.Redis) -> None:
    whole = operator.get(f"{HISTORY}{published}/change/").text
    assert "Count again" in whole
    assert f"Minute {published.start:%Y-%m-%d %H:%M} " in whole
    answer = operator.post(f"{HISTORY}{published}/audit/", follow=True)
    assert "as soon as a worker has time" in answer.text
    assert asked(valkey) == 1
    assert LogEntry.objects.get().object_repr == f"Minute {published}"
    audit_minute(str(published))
    assert re.search(r"Counted again from \d+ events: no difference", page(operator, published))
    assert not valkey.exists(LOCK)


def test_what_differs_is_listed(
    operator: Client, first: Minute, store: CountStore, valkey: redis.Redis
) -> None:
    valkey.incr(f"{first}_1")
    valkey.hincrby(f"tally:stats:{first}", "total", 1)
    publish(store)
    audit_minute(str(first))
    text = page(operator, first)
    assert "not the same as what was published" in text
    assert '<td>1</td><td class="right">2</td><td class="right">3</td>' in text


def test_what_the_topic_no_longer_has_can_not_be_told(operator: Client, published: Minute) -> None:
    PublishedMinute.objects.filter(minute=str(published)).update(key=str(published + 5))
    audit_minute(str(published + 5))
    assert "It can&#x27;t be told: " in page(operator, published + 5)


def test_one_at_a_time(operator: Client, published: Minute, valkey: redis.Redis) -> None:
    log = AuditLog(valkey)
    assert log.lock("202611230801")
    answer = operator.post(f"{HISTORY}{published}/audit/", follow=True)
    assert "202611230801 is being counted again: one at a time" in answer.text
    assert not asked(valkey)
    audit_minute(str(published))
    assert log.get(str(published)) is None


def test_how_far_it_is(operator: Client, published: Minute, valkey: redis.Redis) -> None:
    log = AuditLog(valkey)
    log.note(AuditRun(str(published), "counting", 1_000, 4_000))
    text = page(operator, published)
    assert "1,000 of about 4,000 events are read" in text
    assert '<progress max="4000" value="1000"' in text
    assert "Count again" not in text
    log.note(AuditRun(str(published), "counting", 1_000, 4_000, at=time.time() - 600))
    text = page(operator, published)
    assert "says nothing any more" in text
    assert "Count again" in text


def test_viewers_are_told_the_command(viewer: Client, published: Minute, valkey: redis.Redis) -> None:
    text = page(viewer, published)
    assert f"tally audit_minutes {published}" in text
    assert "<form" not in text
    assert viewer.post(f"{HISTORY}{published}/audit/").status_code == 403
    assert not asked(valkey)


def test_without_events_there_is_nothing_to_count_again(
    operator: Client, published: Minute, settings: Settings
) -> None:
    settings.ACCEPT_SINK = "redis"
    assert "audit_minutes" not in operator.get(f"{HISTORY}{published}/change/").text
