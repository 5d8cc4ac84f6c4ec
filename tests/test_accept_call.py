"""One suite for both lanes: the hot path in front of Django, and Django alone."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis

from counter.accepting import PATH
from counter.store import CountStore, Stats
from tests.conftest import empty, is_empty
from tests.processes import ServerProcess, wait_until


@pytest.fixture
def client(lane: str, valkey: redis.Redis) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=lane) as client:
        wait_until(lambda: client.get(PATH, params={"id": 0}).status_code == 200, "accepting")
        empty(valkey)
        yield client


def counted(store: CountStore) -> dict[int, int]:
    """id -> count over all minutes, and the stats must fit."""
    counts: dict[int, int] = {}
    for minute in store.pending():
        of_minute = dict(count for chunk in store.counts(minute) for count in chunk)
        assert store.stats([minute]) == [Stats(len(of_minute), sum(of_minute.values()))]
        for id, count in of_minute.items():
            counts[id] = counts.get(id, 0) + count
    return counts


def is_failure(answer: httpx.Response, status: int) -> bool:
    kind = answer.headers["content-type"].partition(";")[0]
    return (answer.status_code, answer.text, kind) == (status, "failed", "text/plain")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_counts_every_call(client: httpx.Client, store: CountStore, method: str) -> None:
    for query in ("id=7", "id=007", "id=+7", "id=%2B7", "id=-8", "id=9223372036854775807"):
        answer = client.request(method, f"{PATH}?{query}")
        assert (answer.status_code, answer.text) == (200, "ok")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert counted(store) == {7: 4, -8: 1, 2**63 - 1: 1}


def test_names_its_keys_as_the_contract_says(
    client: httpx.Client, store: CountStore, valkey: redis.Redis, buckets: int
) -> None:
    for id in (42, 42, 75):
        client.get(PATH, params={"id": id})
    minute = store.pending()[0].start.strftime("%Y%m%d%H%M")
    tag, of_bucket = ("", "tally:") if buckets == 1 else ("{b08}", "tally:{b08}:")  # by the CRC-32 of both
    assert valkey.get(f"{tag}{minute}_42") == b"2"
    assert valkey.ttl(f"{tag}{minute}_42") == -1
    assert valkey.lrange(f"{of_bucket}ids:{minute}", 0, -1) == [b"42", b"75"]
    assert valkey.hgetall(f"{of_bucket}stats:{minute}") == {b"unique": b"2", b"total": b"3"}
    assert valkey.zscore(f"{of_bucket}pending", minute) == float(minute)
    writers = valkey.keys(f"{of_bucket}writer:*")
    assert writers
    assert all(3500 < valkey.ttl(writer) <= 3600 for writer in writers)


@pytest.mark.parametrize(
    "query",
    ["", "id=", "id", "id=x", "id=1.5", "id=1&id=2", "id=9223372036854775808", "id=7&endpoint=ftp://x"],
)
def test_refuses_a_bad_call_and_changes_nothing(
    client: httpx.Client, valkey: redis.Redis, query: str
) -> None:
    assert is_failure(client.get(f"{PATH}?{query}"), 400)
    assert is_empty(valkey)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", PATH, 405),
        ("DELETE", PATH, 405),
        ("GET", "/api/verve/accept/x", 404),
        ("GET", "/nowhere", 404),
    ],
)
def test_knows_no_other_methods_and_paths(client: httpx.Client, method: str, path: str, status: int) -> None:
    assert client.request(method, path, params={"id": 7}).status_code == status


def test_survives_a_query_of_a_megabyte(client: httpx.Client, store: CountStore) -> None:
    host, port = client.base_url.host, client.base_url.port or 0
    with socket.create_connection((host, port)) as raw:
        try:
            raw.sendall(f"GET {PATH}?id=7&x={'x' * 1_000_000} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            status = raw.recv(100).split(b" ")[1]
        except ConnectionError:
            status = b"414"  # it hung up before all was sent, which is as good
    assert status in (b"400", b"414", b"431")
    assert client.get(PATH, params={"id": 8}).text == "ok"
    assert counted(store) == {8: 1}


def test_counts_many_callers_at_once_exactly(client: httpx.Client, store: CountStore) -> None:
    def call(id: int) -> str:
        return client.get(PATH, params={"id": id}).text

    with ThreadPoolExecutor(16) as callers:
        assert set(callers.map(call, list(range(50)) * 10)) == {"ok"}
    assert counted(store) == dict.fromkeys(range(50), 10)


def test_no_call_lands_in_a_sealed_minute(client: httpx.Client, store: CountStore) -> None:
    client.get(PATH, params={"id": 1})
    sealed = store.pending()[0] + 5
    store.seal(sealed)
    client.get(PATH, params={"id": 1})
    assert store.pending()[-1] == sealed + 1
    assert store.stats([sealed + 1]) == [Stats(1, 1)]


def test_redis_away_is_a_503_within_a_second_and_heals_by_itself(
    client: httpx.Client, valkey_process: ServerProcess
) -> None:
    valkey_process.kill()
    try:
        wait_until(lambda: client.get(PATH, params={"id": 7}).status_code == 503, "refused")
        answer = client.get(PATH, params={"id": 7})
        assert is_failure(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        assert answer.elapsed.total_seconds() < 1
        assert client.get("/readyz").status_code == 503
    finally:
        valkey_process.start()
    wait_until(lambda: client.get(PATH, params={"id": 7}).text == "ok", "accepting again")


def test_redis_out_of_memory_is_a_503_and_writes_nothing(
    client: httpx.Client, store: CountStore, valkey: redis.Redis
) -> None:
    valkey.config_set("maxmemory", "1mb")
    try:
        assert is_failure(client.get(PATH, params={"id": 7}), 503)
    finally:
        valkey.config_set("maxmemory", "0")
    assert counted(store) == {}
    assert client.get(PATH, params={"id": 7}).text == "ok"
