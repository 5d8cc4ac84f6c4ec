"""Callbacks that came to nothing: operators see why, and send them again."""

import time
from http.server import BaseHTTPRequestHandler
from unittest.mock import ANY

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client

from console.panels import registry
from counter.accepting.callback_queue import EXPIRES_SECONDS, CallbackQueue
from counter.journal.failed_callbacks import KEPT, NAME, FailedCallback, FailedCallbacks
from counter.minute import Minute
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.task_names import callback_queue
from tasks.callbacks.retries import MAX_RETRIES_WAITING
from tasks.callbacks.webhook import call_endpoint
from tests.support.processes import run, wait_until
from tests.support.servers.endpoint import callback_worker, ok, receiving

URL = "/admin/counter/pendingminute/callbacks/"
SECRET = "http://user:password@hooks.example/T0/secret"

pytestmark = pytest.mark.django_db


def login(group: str) -> Client:
    user = User.objects.create(username=group, is_staff=True)
    user.groups.set(Group.objects.filter(name=group))
    client = Client()
    client.force_login(user)
    return client


def test_one_that_failed_is_sent_again_by_an_operator(valkey: redis.Redis) -> None:
    minute = str(SyncWriter(connect_for_accept()).record([1, 2]).minute)
    is_mended = False

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if is_mended:
            ok(handler)
        else:
            handler.send_error(503)

    with receiving(answer) as endpoint, run(callback_worker(endpoint)):
        retries = f"{callback_queue(endpoint.url)}.retries"
        full = dict.fromkeys(map(str, range(MAX_RETRIES_WAITING)), time.time() + EXPIRES_SECONDS)
        valkey.zadd(retries, full)  # so that it is not tried again by itself
        call_endpoint.delay(endpoint.url, minute)
        wait_until(lambda: FailedCallbacks(valkey).all(), "it has failed")
        operator = login("Operators")
        page = operator.get(URL).content.decode()
        for text in (f"127.0.0.1:{endpoint.port}", minute, "failed", "status 503"):
            assert f"<td>{text}</td>" in page
        assert endpoint.got.get(timeout=60)
        is_mended = True
        [failed] = FailedCallbacks(valkey).all()
        answered = operator.post(URL, {"id": failed.id}, follow=True).content.decode()
        assert endpoint.got.get(timeout=60) == ("/", ANY, {"minute": minute, "unique": 2})
    assert "1 callback sent again" in answered
    assert "None has failed." in answered
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Sent again what had failed."]
    again = operator.post(URL, {"id": failed.id}, follow=True).content.decode()
    assert "not in the list any more" in again


def test_one_that_was_shed_is_there_too(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counter.accepting.callback_queue.MAX_QUEUED", 0)
    waiting = CallbackQueue()
    waiting.put(SECRET, Minute(0), "clicks")
    wait_until(lambda: FailedCallbacks(valkey).all(), "it is shed")
    waiting.stop()
    [failed] = FailedCallbacks(valkey).all()
    assert (failed.endpoint, failed.counter, failed.outcome) == (SECRET, "clicks", "shed")
    [fact] = [fact for fact in registry.read("Workers")[1] if fact.page]
    assert (fact.label, fact.value) == ("Callbacks that failed", "1")


def test_no_page_shows_what_may_be_a_password(valkey: redis.Redis) -> None:
    FailedCallbacks(valkey).note(FailedCallback(SECRET, "202611230801", "refused", "its host is not allowed"))
    viewer = login("Viewers")
    page = viewer.get(URL).content.decode()
    assert "hooks.example" in page
    assert "secret" not in page
    assert "password@" not in page
    assert "Send again" not in page
    assert viewer.post(URL, {"all": "1"}).status_code == 403
    assert len(FailedCallbacks(valkey).all()) == 1


def test_all_are_sent_again_each_once(valkey: redis.Redis) -> None:
    for number in range(KEPT + 5):
        failed = FailedCallback(f"http://127.0.0.1:1/{number}", "202611230801", "failed", "status 503")
        FailedCallbacks(valkey).note(failed)
    valkey.rpush(NAME, b"{}")  # of another version
    assert len(FailedCallbacks(valkey).all()) == KEPT
    answered = login("Operators").post(URL, {"all": "1"}, follow=True).content.decode()
    assert f"{KEPT} callbacks sent again" in answered
    assert valkey.llen(callback_queue("http://127.0.0.1:1/")) == KEPT
    assert FailedCallbacks(valkey).all() == []
