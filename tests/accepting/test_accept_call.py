"""One suite for both lanes, the hot path in front of Django and Django alone, and for both sinks."""

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis

from counter.accepting.accept_call import PATH
from counter.counters import DEFAULT
from counter.store.counts import CountStore, Stats
from tests.support.directives import configured
from tests.support.processes import ServerProcess, wait_until
from tests.support.reset import begin_in_one
from tests.support.sinks import EventSink, Sink, counted
from tests.support.tally.web import DJANGO, WEB, serving

# Each two of them meet.
pytestmark = pytest.mark.parametrize(
    ("interface", "sink", "buckets"),
    [
        (WEB, "redis", 1),
        (WEB, "redis", 16),
        (WEB, "kafka", 16),
        (DJANGO, "redis", 16),
        (DJANGO, "kafka", 1),
    ],
    indirect=True,
    scope="module",
)


@pytest.fixture(scope="module")
def interface(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def sink(request: pytest.FixtureRequest, valkey_process: ServerProcess) -> Sink:
    """Where calls go: both are asked the same."""
    if request.param == "redis":
        return Sink(valkey_process)
    return EventSink(request.getfixturevalue("kafka_process"))


@pytest.fixture(scope="module")
def url(interface: str, sink: Sink, buckets: int) -> Iterator[str]:
    named = "clicks,installs"
    with serving(interface, ACCEPT_SINK=sink.name, REDIS_BUCKETS=str(buckets), COUNTERS=named) as url:
        yield url


@pytest.fixture
def client(url: str, sink: Sink, valkey: redis.Redis) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as client:
        wait_until(lambda: client.get(PATH, params={"id": 0}).status_code == 200, "accepting")
        sink.forget(valkey)
        yield client


def is_failure(answer: httpx.Response, status: int) -> bool:
    kind = answer.headers["content-type"].partition(";")[0]
    return (answer.status_code, answer.text, kind) == (status, "failed", "text/plain")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_counts_every_call(client: httpx.Client, sink: Sink, store: CountStore, method: str) -> None:
    for query in ("id=7", "id=007", "id=+7", "id=%2B7", "id=-8", "id=9223372036854775807"):
        answer = client.request(method, f"{PATH}?{query}")
        assert (answer.status_code, answer.text) == (200, "ok")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    sink.count()
    assert counted(store) == {7: 4, -8: 1, 2**63 - 1: 1}


def test_names_its_keys_as_the_contract_says(
    client: httpx.Client, sink: Sink, store: CountStore, valkey: redis.Redis, buckets: int
) -> None:
    begin_in_one(valkey)
    for id in (42, 42, 75):
        client.get(PATH, params={"id": id})
    sink.count()
    minute = store.pending()[0].start.strftime("%Y%m%d%H%M")
    tag, of_bucket = ("", "tally:") if buckets == 1 else ("{b08}", "tally:{b08}:")  # by the CRC-32 of both
    assert valkey.get(f"{tag}{minute}_42") == b"2"
    assert valkey.ttl(f"{tag}{minute}_42") == -1
    assert set(valkey.lrange(f"{of_bucket}ids:{minute}", 0, -1)) == {b"42", b"75"}
    assert valkey.hgetall(f"{of_bucket}stats:{minute}") == {b"unique": b"2", b"total": b"3"}
    assert valkey.zscore(f"{of_bucket}pending", minute) == float(minute)
    writers = valkey.keys(f"{of_bucket}writer:*")
    assert writers or sink.name == "kafka"
    assert all(3500 < valkey.ttl(writer) <= 3600 for writer in writers)


def test_a_named_counter_counts_texts_by_itself(client: httpx.Client, sink: Sink, store: CountStore) -> None:
    client.get(PATH, params={"id": 7})
    for query in (
        "counter=clicks&id=7",
        "id=007&counter=clicks",
        "id=%2B7&counter=clicks",
        "id=+7&counter=clicks",
        "id=3f9a-11&counter=clicks&x=1",
        "id=%C3%A4%40b.example&counter=installs",
        "id=\U0001f37a&counter=installs",
        "id=%27%22%7B%7D%2C&counter=%69nstalls",
        f"id={'y' * 128}&counter=installs",
    ):
        answer = client.get(f"{PATH}?{query}")
        assert (answer.status_code, answer.text) == (200, "ok"), query
    sink.count()
    store = CountStore.known(store.client)
    assert counted(store.of(DEFAULT)) == {7: 1}
    assert counted(store.of("clicks")) == {"7": 1, "007": 1, "+7": 2, "3f9a-11": 1}
    assert counted(store.of("installs")) == {"ä@b.example": 1, "🍺": 1, "'\"{},": 1, "y" * 128: 1}


def test_names_the_keys_of_a_counter_as_the_contract_says(
    client: httpx.Client, sink: Sink, store: CountStore, valkey: redis.Redis, buckets: int
) -> None:
    begin_in_one(valkey)
    for _ in range(2):
        client.get(PATH, params={"id": "3f9a", "counter": "clicks"})
    sink.count()
    [minute] = CountStore.known(valkey).of("clicks").pending()
    tag, of_bucket = ("", "tally:") if buckets == 1 else ("{b05}", "tally:{b05}:")  # by the CRC-32 of the id
    assert valkey.get(f"{tag}clicks:{minute}_3f9a") == b"2"
    assert valkey.ttl(f"{tag}clicks:{minute}_3f9a") == -1
    assert valkey.lrange(f"{of_bucket}clicks:ids:{minute}", 0, -1) == [b"3f9a"]
    assert valkey.hgetall(f"{of_bucket}clicks:stats:{minute}") == {b"unique": b"1", b"total": b"2"}
    assert valkey.zscore(f"{of_bucket}clicks:pending", str(minute)) == float(str(minute))


@pytest.mark.parametrize(
    "query",
    [
        "id=7&counter=nobody",
        "id=7&counter=",
        "id=7&counter=clicks&counter=clicks",
        "id=7&counter=clicks%20",
        "id=7&counter=Clicks",
        "id=x",
        "id=&counter=clicks",
        "id=a&id=b&counter=clicks",
        "counter=clicks",
        "id=a%20b&counter=clicks",
        "id=a%C2%A0b&counter=clicks",
        "id=a%E2%80%A8b&counter=clicks",
        "id=a%00b&counter=clicks",
        "id=%0A&counter=clicks",
        "id=%C2%85&counter=clicks",
        "id=%FF&counter=clicks",
        "id=%ED%A0%80&counter=clicks",
        "id=%C0%AF&counter=clicks",
        f"id={'y' * 129}&counter=clicks",
        f"id={'%C3%A4' * 129}&counter=clicks",
    ],
)
def test_refuses_a_bad_call_of_a_counter_and_changes_nothing(
    client: httpx.Client, sink: Sink, valkey: redis.Redis, query: str
) -> None:
    assert is_failure(client.get(f"{PATH}?{query}"), 400)
    assert sink.is_untouched(valkey)


@pytest.mark.parametrize(
    "query",
    ["", "id=", "id", "id=x", "id=1.5", "id=1&id=2", "id=9223372036854775808", "id=7&endpoint=ftp://x"],
)
def test_refuses_a_bad_call_and_changes_nothing(
    client: httpx.Client, sink: Sink, valkey: redis.Redis, query: str
) -> None:
    assert is_failure(client.get(f"{PATH}?{query}"), 400)
    assert sink.is_untouched(valkey)


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


def test_survives_a_query_of_a_megabyte(client: httpx.Client, sink: Sink, store: CountStore) -> None:
    host, port = client.base_url.host, client.base_url.port or 0
    with socket.create_connection((host, port)) as raw:
        try:
            raw.sendall(f"GET {PATH}?id=7&x={'x' * 1_000_000} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            status = raw.recv(100).split(b" ")[1]
        except ConnectionError:
            status = b"414"  # it hung up before all was sent, which is as good
    assert status in (b"400", b"414", b"431")
    assert client.get(PATH, params={"id": 8}).text == "ok"
    sink.count()
    assert counted(store) == {8: 1}


def test_counts_many_callers_at_once_exactly(client: httpx.Client, sink: Sink, store: CountStore) -> None:
    """Those of them that are told `ok`: one that a busy machine refuses may be counted, or not."""

    def call(id: int) -> str:
        return client.get(PATH, params={"id": id}).text

    sent = list(range(50)) * 10
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(call, sent))
    sink.count()
    ok = Counter(id for id, answer in zip(sent, answers, strict=True) if answer == "ok")
    assert ok
    assert set(answers) <= {"ok", "failed"}
    assert ok <= Counter(counted(store)) <= Counter(sent)


def test_no_call_lands_in_a_sealed_minute(client: httpx.Client, sink: Sink, store: CountStore) -> None:
    client.get(PATH, params={"id": 1})
    sink.count()
    sealed = store.pending()[0] + 5
    store.seal(sealed)
    client.get(PATH, params={"id": 1})
    sink.count()
    assert store.pending()[-1] == sealed + 1
    assert store.stats([sealed + 1]) == [Stats(1, 1)]


def test_its_server_away_is_a_503_within_a_second_and_heals_by_itself(
    client: httpx.Client, sink: Sink
) -> None:
    sink.server.kill()
    try:
        wait_until(lambda: client.get(PATH, params={"id": 7}).status_code == 503, "refused")
        answer = client.get(PATH, params={"id": 7})
        assert is_failure(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        assert answer.elapsed.total_seconds() < 1
        assert client.get("/readyz").status_code == 503
    finally:
        sink.server.start()
    wait_until(lambda: client.get(PATH, params={"id": 7}).text == "ok", "accepting again")
    wait_until(lambda: client.get("/readyz").status_code == 200, "ready again")


def test_events_are_accepted_while_redis_is_away(
    client: httpx.Client, sink: Sink, store: CountStore, valkey_process: ServerProcess
) -> None:
    if sink.name == "redis":
        pytest.skip("calls depend on it")
    valkey_process.kill()
    try:
        assert client.get(PATH, params={"id": 7}).text == "ok"
        assert client.get("/readyz").status_code == 200
    finally:
        valkey_process.start()
    sink.count()
    assert counted(store) == {7: 1}


def test_redis_out_of_memory_is_a_503_and_writes_nothing(
    client: httpx.Client, sink: Sink, store: CountStore, valkey: redis.Redis
) -> None:
    if sink.name == "kafka":
        pytest.skip("events wait in Kafka")
    with configured(valkey, "maxmemory", "1mb"):
        assert is_failure(client.get(PATH, params={"id": 7}), 503)
    assert counted(store) == {}
    assert client.get(PATH, params={"id": 7}).text == "ok"
