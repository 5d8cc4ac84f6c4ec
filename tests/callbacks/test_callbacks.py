"""Callbacks, to real servers: what is called, what is never called, and what a flood may not do."""

import base64
import queue
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import cast

import httpx
import pytest
import redis
from celery import current_app
from django.conf import settings as own_settings
from pytest_django import Settings
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from counter.accepting.accept_call import MAX_ENDPOINT, PATH
from counter.accepting.callback_queue import EXPIRES_SECONDS, MAX_MESSAGE, CallbackQueue
from counter.journal.failed_callbacks import FailedCallbacks
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis.broker import broker
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.keys import WHOLE
from counter.task_names import CALLBACK, OLD_CALLBACK_QUEUE, callback_queue
from counter.telemetry.metrics import CALLBACKS
from embedded.ports import free_port
from tasks.callbacks import webhook
from tasks.callbacks.addresses import Refused, Resolver, Unresolved
from tasks.callbacks.retries import MAX_RETRIES_WAITING
from tasks.callbacks.webhook import Unanswered, call_endpoint, post
from tasks.publishing.flush import BUDGET_SECONDS
from tests.support.processes import HOME, run, wait_until
from tests.support.programs import tally
from tests.support.requests_topic import Requests
from tests.support.servers.endpoint import Receiver, callback_worker, ok, receiving
from tests.support.tally.web import metric, serving

NOBODY = "http://192.0.2.1/"

STALE_SECONDS = 5
"""From the call on, in the test of that: enough for a worker to get to it first."""


def resolving(*addresses: str) -> Resolver:
    return lambda host, port: list(addresses)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(ok) as receiver:
        yield receiver


@pytest.fixture
def allowed(settings: Settings) -> None:
    settings.CALLBACK_ALLOWED_HOSTS = [f"127.0.0.1:{port}" for port in range(65536)]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "0x7f.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "2852039166",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fc00::1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "[ff02::1]",
        "255.255.255.255",
        "192.0.0.192",
        "[fec0::1]",
        "[3fff::1]",
        "[5f00::1]",
        "[::ffff:0:7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2001:db8::1]",
    ],
)
def test_refuses_every_address_that_is_not_public(receiver: Receiver, host: str) -> None:
    with pytest.raises((Refused, Unresolved, Unanswered)) as refusal:
        post(f"http://{host}:{receiver.port}/", {})
    assert refusal.type is Refused or "has no address" in str(refusal.value)
    assert receiver.got.empty()


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("93.184.215.14", "127.0.0.1"), ("2606:2800:21f::1", "fe80::1")]
)
def test_refuses_a_name_with_an_address_that_is_not_public(
    receiver: Receiver, addresses: tuple[str, ...]
) -> None:
    with pytest.raises(Refused):
        post(f"http://public.example:{receiver.port}/", {}, resolving(*addresses))
    assert receiver.got.empty()


def test_connects_to_the_address_that_was_checked(receiver: Receiver, settings: Settings) -> None:
    settings.CALLBACK_ALLOWED_HOSTS = [f"rebinding.example:{receiver.port}"]
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    status = post(f"http://rebinding.example:{receiver.port}/x?y=1", {"a": 1}, lambda *name: next(answers))
    assert status == 204
    assert receiver.got.get() == ("/x?y=1", f"rebinding.example:{receiver.port}", {"a": 1})
    assert next(answers) == ["169.254.169.254"]


@pytest.mark.parametrize("allowed", ["{host}", "{host}:1", "other.example:{port}", ":{port}"])
def test_an_allowed_host_is_called_on_its_port_alone(
    receiver: Receiver, settings: Settings, allowed: str
) -> None:
    settings.CALLBACK_ALLOWED_HOSTS = [allowed.format(host="127.0.0.1", port=receiver.port)]
    with pytest.raises(Refused):
        post(receiver.url, {})
    assert receiver.got.empty()


KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.mark.usefixtures("allowed")
def test_an_endpoint_can_tell_who_calls(settings: Settings) -> None:
    """As Standard Webhooks has it, and without a key nothing."""
    seen: queue.Queue[dict[str, str]] = queue.Queue()

    def note(handler: BaseHTTPRequestHandler) -> None:
        seen.put({name.lower(): value for name, value in handler.headers.items()})
        ok(handler)

    with receiving(note) as receiver:
        post(receiver.url, {"minute": "202611230801", "unique": 7})
        assert not any(name.startswith("webhook-") for name in seen.get())
        settings.CALLBACK_SIGNING_KEY = KEY
        post(receiver.url, {"minute": "202611230801", "unique": 7})
        body, headers = b'{"minute": "202611230801", "unique": 7}', seen.get()
        assert Webhook(KEY).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(KEY).verify(body.replace(b"7}", b"8}"), headers)


@pytest.mark.usefixtures("allowed")
def test_ignores_the_environment_s_proxies(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert post(receiver.url, {}) == 204


@pytest.mark.usefixtures("allowed")
def test_follows_no_redirect() -> None:
    with receiving(ok) as inside:

        def redirect(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(307)
            handler.send_header("Location", inside.url)
            handler.end_headers()

        with receiving(redirect) as outside:
            assert post(outside.url, {}) == 307
        assert inside.got.empty()


@pytest.mark.usefixtures("allowed")
def test_reads_no_body() -> None:
    ended = threading.Event()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        finally:
            ended.set()

    with receiving(endless) as receiver:
        assert post(receiver.url, {}) == 200
        assert ended.wait(60)


@pytest.mark.usefixtures("allowed")
def test_waits_for_no_body() -> None:
    release = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        release.wait(60)

    with receiving(slow) as receiver:
        assert post(receiver.url, {}) == 200
        release.set()


@pytest.mark.usefixtures("allowed")
def test_gives_up_on_a_head_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "CALL_SECONDS", 0.5)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.05)

    with receiving(drip) as receiver, pytest.raises(Unanswered, match="TimeoutError"):
        post(receiver.url, {})


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_of_the_endpoint_s_may_be_better_later(status: int) -> None:
    with receiving(lambda handler: handler.send_error(status)) as receiver, pytest.raises(Unanswered):
        post(receiver.url, {})


@pytest.mark.usefixtures("allowed")
def test_an_endpoint_that_is_away_may_be_back_later() -> None:
    with pytest.raises(Unanswered):
        post(f"http://127.0.0.1:{free_port()}/", {})


@pytest.mark.parametrize("url", ["http://[::::]/", "http://../", "http://-/", "http://x..y/", "http://xn--/"])
def test_an_endpoint_that_names_no_host_is_no_bug(url: str) -> None:
    with pytest.raises((Refused, Unanswered)):
        post(url, {})


@pytest.mark.django_db
@pytest.mark.usefixtures("allowed", "valkey")
def test_tells_no_count_before_there_is_one(receiver: Receiver) -> None:
    """In event mode the event may not be counted yet; and the history follows a moment after the settling."""
    call_endpoint.apply(args=(receiver.url, "202611230801"), retries=webhook.MAX_RETRIES)
    assert receiver.got.empty()
    [failed] = FailedCallbacks(broker()).all()
    assert failed.reason == "neither Redis nor the history has a count of the minute yet"


@pytest.mark.django_db
@pytest.mark.usefixtures("allowed", "valkey")
def test_tells_what_was_published_once_the_minute_is_settled(receiver: Receiver) -> None:
    PublishedMinute.objects.create(
        key="202611230801",
        start="2026-11-23T08:01:00Z",
        unique=7,
        total=9,
        published_at="2026-11-23T08:02:00Z",
        lag_seconds=0,
        partition=0,
        offset=0,
        attempts=1,
    )
    call_endpoint.apply(args=(receiver.url, "202611230801"), throw=True)
    assert receiver.got.get()[2] == {"minute": "202611230801", "unique": 7}


def test_tells_the_endpoint_after_the_answer_and_tries_again(valkey: redis.Redis) -> None:
    answers = iter([503, 200])
    with (
        receiving(lambda handler: handler.send_error(next(answers))) as receiver,
        serving("web") as url,
        run(callback_worker(receiver)),
    ):
        told = metric(url, 'tally_callbacks_total{outcome="2xx"}')
        assert httpx.get(f"{url}{PATH}", params={"id": 42, "endpoint": receiver.url}).text == "ok"
        for _ in range(2):
            path, _, body = receiver.got.get(timeout=60)
            assert path == "/"
            assert isinstance(body, dict)
            assert body["unique"] == 1
            assert valkey.get(f"{body['minute']}_42") == b"1"
        wait_until(lambda: metric(url, 'tally_callbacks_total{outcome="2xx"}') == told + 1, "it is counted")


@pytest.mark.usefixtures("kafka")
def test_tells_the_minute_of_the_event_in_event_mode(valkey: redis.Redis, receiver: Receiver) -> None:
    topic = Requests(timestamps="LogAppendTime")
    with serving("web", ACCEPT_SINK="kafka") as url:
        # By Django, whose client of Kafka is another than the hot path's.
        warm = {"id": "42", "endpoint": NOBODY}
        wait_until(lambda: httpx.get(f"{url}{PATH}", params=warm).is_success, "accepting")
        assert httpx.get(f"{url}{PATH}", params={"id": 7, "endpoint": receiver.url}).text == "ok"
        topic.count(valkey)
        with run(callback_worker(receiver)):
            _, _, body = receiver.got.get(timeout=60)
    assert isinstance(body, dict)
    assert valkey.get(f"{body['minute']}_7") == b"1"
    assert body["unique"] == int(valkey.hget(f"tally:stats:{body['minute']}", "unique") or 0)


@pytest.mark.parametrize("is_stale", [pytest.param(False, marks=pytest.mark.slow), True])
def test_what_a_killed_worker_had_in_hand_ends_in_an_outcome(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, is_stale: bool
) -> None:
    """Another worker calls it, or says that it is too late. The broker is told that time has passed."""
    if is_stale:
        monkeypatch.setattr("counter.accepting.callback_queue.EXPIRES_SECONDS", STALE_SECONDS)
    release = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        release.wait(60)
        ok(handler)

    with receiving(hang) as receiver, serving() as url:
        before = {outcome: told(url, outcome) for outcome in ("2xx", "expired")}
        with run(callback_worker(receiver)):
            wait_until(lambda: current_app.control.inspect(timeout=1).ping(), "the worker is there")
            waiting, begin = CallbackQueue(), time.monotonic()
            waiting.put(receiver.url, SyncWriter(connect_for_accept()).record([1]).minute)
            receiver.got.get(timeout=60)
        release.set()  # the worker is killed by now
        waiting.stop()
        wait_until(lambda: time.monotonic() > begin + STALE_SECONDS, "it is stale, or would be")
        timeout = own_settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
        for tag in valkey.zrange("unacked_index", 0, -1):
            valkey.zincrby("unacked_index", -timeout, cast("bytes", tag))
        with run(callback_worker(receiver)):
            outcome = "expired" if is_stale else "2xx"
            wait_until(lambda: told(url, outcome) == before[outcome] + 1, f"it is counted as {outcome}")
        assert not valkey.hlen("unacked")
        assert receiver.got.empty() == is_stale


def told(url: str, outcome: str) -> float:
    return metric(url, f'tally_callbacks_total{{outcome="{outcome}"}}')


@pytest.mark.django_db
@pytest.mark.usefixtures("allowed")
def test_redis_away_is_no_end_without_an_outcome(receiver: Receiver, settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    before = count("failed")
    call_endpoint.apply(args=(receiver.url, "202611230801"), retries=webhook.MAX_RETRIES)
    assert count("failed") == before + 1


def test_a_callback_that_comes_back_has_time_for_another_try() -> None:
    timeout = own_settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    assert BUDGET_SECONDS < timeout < EXPIRES_SECONDS - webhook.MAX_BACKOFF_SECONDS


def test_a_flood_is_shed_before_it_fills_redis(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counter.accepting.callback_queue.MAX_QUEUED", 3)
    valkey.hset("unacked", "taken", "by a worker")
    before = shed()
    waiting = CallbackQueue()
    for _ in range(10):
        waiting.put(NOBODY, Minute(0))
    wait_until(lambda: shed() == before + 8, "the rest is shed")
    waiting.stop()
    assert valkey.llen(callback_queue(NOBODY)) == 2


def test_a_host_with_many_calls_leaves_room_and_time_for_others(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait in a queue that workers take from in turn with the others, and that is not all there is."""
    monkeypatch.setattr("counter.accepting.callback_queue.MAX_IN_ONE", 200)
    minute = Minute.at(time.time())
    valkey.hset(WHOLE.stats(minute), mapping={"unique": 1, "total": 1})
    release = threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> None:
        release.wait(60)
        ok(handler)

    with receiving(hold) as slow, receiving(ok) as honest:
        waiting = CallbackQueue()
        for _ in range(300):
            waiting.put(slow.url, minute)
        wait_until(lambda: valkey.llen(callback_queue(slow.url)) == 200, "its queue is full")
        with run(callback_worker(slow, honest)):
            slow.got.get(timeout=60)
            waiting.put(other_queue(honest, slow), minute)
            wait_until(lambda: slow.got.qsize() >= 1, "both threads wait for it")
            release.set()
            honest.got.get(timeout=60)
            assert slow.got.qsize() < 20
        waiting.stop()


def test_an_endpoint_that_is_down_has_no_more_than_its_share_of_retries(valkey: redis.Redis) -> None:
    """Workers hold them back until their time, so that its queue looks empty."""
    minute = str(SyncWriter(connect_for_accept()).record([1]).minute)
    with (
        receiving(lambda handler: handler.send_error(503)) as down,
        serving() as url,
        run(callback_worker(down)),
    ):
        retries = f"{callback_queue(down.url)}.retries"
        later = time.time() + EXPIRES_SECONDS
        valkey.zadd(retries, dict.fromkeys(map(str, range(MAX_RETRIES_WAITING)), later))
        before = {outcome: told(url, outcome) for outcome in ("failed", "retried")}
        call_endpoint.delay(down.url, minute)
        wait_until(lambda: told(url, "failed") == before["failed"] + 1, "there is no room for its retry")
        assert told(url, "retried") == before["retried"]
        valkey.zadd(retries, {"0": time.time()})  # its time has come
        call_endpoint.delay(down.url, minute)
        wait_until(lambda: told(url, "retried") > before["retried"], "there is room for one")
        assert valkey.zcard(retries) <= MAX_RETRIES_WAITING


def other_queue(receiver: Receiver, than: Receiver) -> str:
    """An url of the receiver's, by a name whose queue is another one."""
    names = (f"http://{host}:{receiver.port}/" for host in ("127.0.0.1", "localhost", "127.1"))
    return next(name for name in names if callback_queue(name) != callback_queue(than.url))


def test_the_longest_endpoint_takes_no_more_of_redis_than_is_planned(valkey: redis.Redis) -> None:
    waiting = CallbackQueue()
    endpoint = NOBODY.ljust(MAX_ENDPOINT, "x")
    for _ in range(100):
        waiting.put(endpoint, Minute(0))
    wait_until(lambda: valkey.llen(callback_queue(NOBODY)) == 100, "they are queued")
    waiting.stop()
    assert (valkey.memory_usage(callback_queue(NOBODY), samples=0) or 0) <= 100 * MAX_MESSAGE


def test_a_broker_that_is_away_delays_nobody(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counter.redis.clients.PAGE_TIMEOUT_SECONDS", 60)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        before, waiting = shed(), CallbackQueue()
        begin = time.monotonic()
        for _ in range(3000):
            waiting.put(NOBODY, Minute(0))
        assert time.monotonic() - begin < 30
        assert before + 1999 <= shed() < before + 3000
    wait_until(lambda: shed() == before + 3000, "all are shed once the broker hangs up")


def shed() -> float:
    return count("shed")


def count(outcome: str) -> float:
    return float(CALLBACKS.labels(outcome)._value.get())


@pytest.mark.django_db
@pytest.mark.usefixtures("allowed", "valkey")
def test_tells_the_count_of_a_named_counter(receiver: Receiver, settings: Settings) -> None:
    settings.COUNTERS = ("clicks",)
    minute = SyncWriter(connect_for_accept()).record(["a", "b", "a"], "clicks").minute
    call_endpoint.apply(args=(receiver.url, str(minute), "clicks"), throw=True)
    assert receiver.got.get()[2] == {"minute": str(minute), "unique": 2}


def test_what_a_version_before_has_queued_is_sent(receiver: Receiver, valkey: redis.Redis) -> None:
    minute = str(SyncWriter(connect_for_accept()).record([7]).minute)
    current_app.send_task(CALLBACK, args=[receiver.url, minute], queue=OLD_CALLBACK_QUEUE)
    assert valkey.llen(OLD_CALLBACK_QUEUE) == 1
    env = {"CALLBACK_ALLOWED_HOSTS": f"127.0.0.1:{receiver.port}"}
    with run(tally("callbacks", log=HOME / "callbacks.log", env=env)):
        assert receiver.got.get(timeout=60)[2] == {"minute": minute, "unique": 1}
