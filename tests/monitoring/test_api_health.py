"""`/healthz` and `/readyz`: what is down, since when, and within a second."""

import threading
from collections.abc import Iterator

import httpx
import pytest
import redis

from counter.monitoring.health import Watch
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from tests.support.directives import configured, used_memory
from tests.support.processes import ServerProcess, wait_until
from tests.support.reset import new_topics
from tests.support.tally.web import serving


@pytest.fixture(scope="module")
def url(valkey_process: ServerProcess, kafka_process: ServerProcess) -> Iterator[str]:
    new_topics()
    with serving("web") as url:
        yield url


@pytest.fixture
def client(url: str, valkey: redis.Redis) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        wait_until(lambda: client.get("/readyz").json()["status"] == "ok", "all is well")
        yield client


def wait_for(client: httpx.Client, status: str) -> dict[str, object]:
    wait_until(lambda: client.get("/readyz").json()["status"] == status, status)
    return dict(client.get("/readyz").json())


def test_kafka_away_is_degraded_and_not_unready(client: httpx.Client, kafka_process: ServerProcess) -> None:
    kafka_process.kill()
    try:
        found = wait_for(client, "degraded")
        assert client.get("/readyz").status_code == 200
        assert "since" in str(found["problems"])
        assert client.get("/api/verve/accept?id=1").text == "ok"
    finally:
        kafka_process.start()
    assert wait_for(client, "ok")["problems"] == []


def test_publishing_that_has_stopped_is_degraded(client: httpx.Client, store: CountStore) -> None:
    PublishingState(store.client).halt("the topic is gone")
    assert "the topic is gone" in str(wait_for(client, "degraded")["problems"])
    PublishingState(store.client).published()
    wait_for(client, "ok")


def test_redis_away_is_unready_and_still_alive(client: httpx.Client, valkey_process: ServerProcess) -> None:
    valkey_process.kill()
    try:
        found = wait_for(client, "unavailable")
        assert client.get("/readyz").status_code == 503
        assert "redis" in str(found["problems"])
        assert client.get("/healthz").status_code == 200
    finally:
        valkey_process.start()
    wait_for(client, "ok")


@pytest.mark.parametrize(("directive", "wrong"), [("appendonly", "no"), ("maxmemory-policy", "allkeys-lru")])
def test_a_redis_that_may_lose_counts_is_unready(
    client: httpx.Client, valkey: redis.Redis, directive: str, wrong: str
) -> None:
    with configured(valkey, directive, wrong):
        assert directive in str(wait_for(client, "unavailable")["problems"])
    wait_for(client, "ok")


def test_a_full_redis_is_unready(client: httpx.Client, valkey: redis.Redis) -> None:
    valkey.setrange("ballast", 30_000_000, "x")  # in a small command, whose buffer comes and goes
    with configured(valkey, "maxmemory", int(used_memory(valkey) / 0.97)):
        assert "full" in str(wait_for(client, "unavailable")["problems"])
    wait_for(client, "ok")


def test_answers_whatever_the_caller_would_rather_have(client: httpx.Client) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path, headers={"Accept": "text/plain"}).status_code == 200


def test_what_hangs_is_down_and_costs_one_thread_alone() -> None:
    hang, calls = threading.Event(), []

    def probe() -> list[str]:
        calls.append(1)
        hang.wait(60)
        return []

    watch = Watch({"redis": probe, "kafka": lambda: ["broken"]})
    found = watch.look()
    assert [(each.part, each.problem) for each in found] == [
        ("redis", "redis does not answer in time"),
        ("kafka", "broken"),
    ]
    assert watch.look() is found, "it is fresh"
    watch._looked = -1e9
    again = watch.look()
    assert len(calls) == 1
    assert [each.since for each in again] == [each.since for each in found]
    hang.set()
    wait_until(watch._running["redis"].done, "the probe returns")
    watch._looked = -1e9
    assert [each.part for each in watch.look()] == ["kafka"]
