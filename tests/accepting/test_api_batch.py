"""The batch call, in both lanes: the path in front of Django, and Django alone."""

import gzip
import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import httpx
import pytest
import redis
from django.conf import settings

from counter.accepting.accept_call import PATH
from counter.accepting.batches.batch_call import MAX_BODY
from counter.accepting.batches.batch_call import PATH as BATCH
from counter.counters import DEFAULT
from counter.ids import Id
from counter.sinks.redis.write import SCRIPT, Writer
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from tasks.publishing.flush import Flush
from tests.support.directives import configured, used_memory
from tests.support.processes import ServerProcess, wait_until
from tests.support.reading import id_counts
from tests.support.reset import empty, is_empty
from tests.support.sinks import counted
from tests.support.tally.web import LANES, metric, serving

BAD = 'tally_refused_calls_total{reason="bad_call"}'
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def client(lane: str, valkey: redis.Redis) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=lane, timeout=30) as client:
        wait_until(lambda: client.post(BATCH, json={"ids": [0]}).status_code == 200, "accepting")
        empty(valkey)
        yield client


def is_problem(answer: httpx.Response, status: int) -> bool:
    body = answer.json()
    kind = answer.headers["content-type"]
    return (answer.status_code, body["status"], kind) == (status, status, "application/problem+json")


def test_counts_a_batch(client: httpx.Client, store: CountStore) -> None:
    answer = client.post(BATCH, json={"ids": [1, 2, 1, -(2**63), 2**63 - 1]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"minute": str(store.pending()[-1]), "accepted": 5, "unique": 4}
    assert counted(store) == {1: 2, 2: 1, -(2**63): 1, 2**63 - 1: 1}


def test_counts_a_batch_of_a_named_counter(client: httpx.Client, store: CountStore) -> None:
    answer = client.post(BATCH, json={"counter": "clicks", "ids": ["7", "007", "7", "ä", "🍺"]})
    assert answer.status_code == 200
    store = CountStore.known(store.client)
    assert answer.json() == {"minute": str(store.pending()[-1]), "accepted": 5, "unique": 4}
    assert counted(store.of("clicks")) == {"7": 2, "007": 1, "ä": 1, "🍺": 1}
    assert counted(store.of(DEFAULT)) == {}


def test_counts_lines_of_a_named_counter(client: httpx.Client, store: CountStore) -> None:
    lines = '3f9a\n"42"\n\n  ä@b.example\r\n"a,b"\na,b\n'
    answer = client.post(f"{BATCH}?counter=installs", content=lines.encode(), headers=NDJSON)
    assert answer.json()["accepted"] == 5
    assert counted(CountStore.known(store.client).of("installs")) == {
        "3f9a": 1,
        "42": 1,
        "ä@b.example": 1,
        "a,b": 2,
    }


@pytest.mark.parametrize(
    ("query", "body", "headers", "pointer"),
    [
        ("", b'{"counter": "nobody", "ids": ["1"]}', {}, "#/counter"),
        ("", b'{"counter": 1, "ids": ["1"]}', {}, "#/counter"),
        ("", b'{"counter": "clicks", "ids": ["1", 2]}', {}, "#/ids/1"),
        ("", b'{"counter": "clicks", "ids": [""]}', {}, "#/ids/0"),
        ("", b'{"counter": "clicks", "ids": ["a b"]}', {}, "#/ids/0"),
        ("", b'{"counter": "clicks", "ids": ["a", "b\\u0000"]}', {}, "#/ids/1"),
        ("", b'{"counter": "clicks", "ids": ["%b"]}' % (b"y" * 129), {}, "#/ids/0"),
        ("", b'{"counter": "clicks", "ids": []}', {}, "#/ids"),
        ("", b'{"counter": "clicks"}', {}, "#/ids"),
        ("", b'{"counter": "clicks", "ids": ["1"], "x": 1}', {}, "#/x"),
        ("", b'{"ids": ["1"]}', {}, "#/ids/0"),
        ("?counter=clicks", b'{"ids": [1]}', {}, "#/counter"),
        ("?counter=nobody", b"3f9a", NDJSON, "#/counter"),
        ("?counter=clicks", b"a\n42\n", NDJSON, "#/1"),
        ("?counter=clicks", b"a\nb c\n", NDJSON, "#/1"),
        ("?counter=clicks", b"a\n\xff\n", NDJSON, "#/1"),
        ("?counter=clicks", b"null\n", NDJSON, "#/0"),
        ("", b'"1"\n', NDJSON, "#/0"),
    ],
)
def test_says_what_is_wrong_with_a_batch_of_a_counter(
    client: httpx.Client, valkey: redis.Redis, query: str, body: bytes, headers: dict[str, str], pointer: str
) -> None:
    answer = client.post(BATCH + query, content=body, headers={"Content-Type": "application/json"} | headers)
    assert is_problem(answer, 400)
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert is_empty(valkey)


def test_counts_lines(client: httpx.Client, store: CountStore) -> None:
    answer = client.post(BATCH, content="1\n2\n1\n", headers=NDJSON)
    assert answer.json() == {"minute": str(store.pending()[-1]), "accepted": 3, "unique": 2}


def test_counts_the_largest_batch(client: httpx.Client, store: CountStore) -> None:
    answer = client.post(BATCH, json={"ids": list(range(10_000))})
    assert (answer.json()["accepted"], answer.json()["unique"]) == (10_000, 10_000)
    assert counted(store) == dict.fromkeys(range(10_000), 1)


def test_says_how_many_ids_are_new(client: httpx.Client, store: CountStore) -> None:
    client.post(BATCH, json={"ids": list(range(2000))})
    minute = store.pending()[-1]
    answer = client.post(BATCH, json={"ids": list(range(1000, 3000))}).json()
    assert answer["unique"] == (1000 if answer["minute"] == str(minute) else 2000)


def test_batches_and_single_calls_give_the_same_counts(client: httpx.Client, store: CountStore) -> None:
    ids = [n % 40 for n in range(200)]
    client.post(BATCH, json={"ids": ids})
    batched = counted(store)
    for id in ids:
        assert client.get(PATH, params={"id": id}).text == "ok"
    assert counted(store) == {id: 2 * count for id, count in batched.items()}


def test_counts_many_batches_at_once_exactly(client: httpx.Client, store: CountStore) -> None:
    batches = [[n % 7, *range(1500)] for n in range(40)]
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda ids: client.post(BATCH, json={"ids": ids}).json(), batches))
    sent = Counter(chain.from_iterable(batches))
    # By a machine that is busy with other tests too: the answer of Redis may have come too late.
    refused = Counter(chain.from_iterable(answer.get("refused", []) for answer in answers))
    assert sum(answer["accepted"] for answer in answers) == (sent - refused).total() > 0
    assert sent - refused <= Counter(counted(store)) <= sent


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"ids": [1, "2"]}', {}, 400),
        (b'{"ids": [1], "x": 1}', {}, 400),
        (b"", {}, 400),
        (b'{"ids": [1]}', {"Content-Type": "text/plain"}, 415),
        (b"ids=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b'{"ids": [1]}', {"Accept": "text/html"}, 406),
        (b'{"ids": [1]}', {"Content-Encoding": "gzip"}, 415),
        (gzip.compress(b'{"ids": [1]}', mtime=0), {"Content-Encoding": "GZIP"}, 415),
        (b"1\n", NDJSON | {"Content-Encoding": "br"}, 415),
        (b"1\0", NDJSON, 400),
        (b"x\n" * (MAX_BODY // 2), NDJSON, 400),
        (b" " * MAX_BODY + b'{"ids": [1]}', {}, 413),
    ],
)
def test_refuses_as_a_whole(
    client: httpx.Client, valkey: redis.Redis, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post(BATCH, content=content, headers={"Content-Type": "application/json"} | headers)
    assert is_problem(answer, status)
    assert is_empty(valkey)


def test_names_the_bad_places(client: httpx.Client) -> None:
    body = client.post(BATCH, json={"ids": [1, "2", 3, 4.5]}).json()
    assert [error["pointer"] for error in body["errors"]] == ["#/ids/1", "#/ids/3"]


def test_takes_a_body_that_says_that_it_is_not_encoded(client: httpx.Client) -> None:
    answer = client.post(BATCH, json={"ids": [1]}, headers={"Content-Encoding": "identity"})
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE"])
def test_knows_one_method(client: httpx.Client, method: str) -> None:
    answer = client.request(method, BATCH)
    assert is_problem(answer, 405)
    assert "POST" in answer.headers["allow"]


def test_a_body_without_an_end_is_cut_off(valkey: redis.Redis) -> None:
    """By what is in front of Django, which waits for the end of a body."""
    head = f"POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with (
        serving() as url,
        socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), timeout=60) as raw,
    ):
        raw.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(64):
                raw.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            status = raw.recv(100).split(b" ")[1]
        except ConnectionError:
            status = b"413"  # it hung up before all was sent, which is as good
    assert status in (b"413", b"400")
    assert is_empty(valkey)


def test_redis_away_is_a_503_that_says_what_is_counted(
    client: httpx.Client, valkey_process: ServerProcess
) -> None:
    valkey_process.kill()
    try:
        answer = client.post(BATCH, json={"ids": [1, 2]})
        assert is_problem(answer, 503)
        assert answer.json()["accepted"] == 0
        assert int(answer.headers["retry-after"]) > 0
    finally:
        valkey_process.start()
    wait_until(lambda: client.post(BATCH, json={"ids": [1]}).status_code == 200, "accepting again")


def test_redis_full_in_the_middle_names_the_calls_that_are_not_counted(
    client: httpx.Client, store: CountStore, valkey: redis.Redis
) -> None:
    with configured(valkey, "maxmemory", used_memory(valkey) + 400_000):
        answer = client.post(BATCH, json={"ids": list(range(10_000))})
    assert is_problem(answer, 503)
    accepted, refused = answer.json()["accepted"], answer.json()["refused"]
    assert 0 < accepted < 10_000
    assert len(refused) == 10_000 - accepted
    assert counted(store) == dict.fromkeys(set(range(10_000)).difference(refused), 1)


def test_is_counted_in_the_metrics_like_single_calls(client: httpx.Client) -> None:
    url = str(client.base_url)
    before = metric(url, "tally_accepted_calls_total"), metric(url, BAD)
    client.post(BATCH, json={"ids": [1, 2, 1]})
    client.get(PATH, params={"id": 1})
    client.post(BATCH, json={"ids": []})
    client.get(PATH, params={"id": "x"})
    assert (metric(url, "tally_accepted_calls_total"), metric(url, BAD)) == (before[0] + 4, before[1] + 2)


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("interface", LANES)
def test_a_token_guards_accepting_where_it_is_set(interface: str, valkey: redis.Redis) -> None:
    right, wrong = ({"Authorization": f"Bearer {token}"} for token in ("s3cret", "wrong"))
    with serving(interface, ACCEPT_TOKEN="s3cret") as url, httpx.Client(base_url=url) as client:
        wait_until(lambda: client.get(PATH, headers=wrong).status_code == 401, "tokens are known")
        for headers in ({}, wrong, {"Authorization": "s3cret"}):
            single = client.get(PATH, params={"id": 1}, headers=headers)
            assert (single.status_code, single.text) == (401, "failed")
            assert single.headers["www-authenticate"] == "Bearer"
            batch = client.post(BATCH, json={"ids": [1]}, headers=headers)
            assert is_problem(batch, 401)
            assert batch.headers["www-authenticate"] == "Bearer"
        assert is_empty(valkey)
        assert client.get(PATH, params={"id": 1}, headers=right).text == "ok"
        assert client.post(BATCH, json={"ids": [1]}, headers=right).status_code == 200
        assert client.get("/healthz").status_code == 200


@pytest.mark.usefixtures("token", "valkey_process")
@pytest.mark.parametrize("path", [PATH, BATCH])
def test_without_the_token_it_is_refused_before_its_body_has_come(path: str) -> None:
    with serving(ACCEPT_TOKEN="s3cret") as url:
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port or 0), timeout=10) as raw:
            head = f"POST {path}?id=1 HTTP/1.1\r\nHost: {address.netloc.decode()}\r\n"
            raw.sendall(
                f'{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"ids":'.encode()
            )
            assert raw.recv(100).split(b" ")[1] == b"401"


def test_a_reply_that_is_lost_is_known_to_the_repeat(store: CountStore, valkey: redis.Redis) -> None:
    """The script itself; what makes it repeat is tested with the batcher."""
    bucket = keys.buckets(settings.REDIS_BUCKETS)[0]
    writer = Writer(keeps_replies=True, bucket=bucket)
    batch = writer.batch([1, 2, 1])

    def send() -> Any:
        return batch.read(valkey.eval(SCRIPT.text, len(batch.keys), *batch.keys, *batch.args))

    assert send() is None
    first = send()
    assert first == send()
    assert first.new == 2
    assert json.loads(valkey.get(bucket.writer(writer.name)) or b"") == 1
    assert 0 < valkey.ttl(bucket.reply(writer.name)) <= 3600


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_full_batches_are_exact_in_kafka(store: CountStore, count: int) -> None:
    batches = [[(n * 7919 + i) % (3_000 * count) for i in range(10_000)] for n in range(count)]
    with serving("web", workers=2) as url, httpx.Client(base_url=url, timeout=60) as client:

        def send(ids: list[int]) -> None:
            while ids:
                answer = client.post(BATCH, json={"ids": ids})
                assert answer.status_code in (200, 503)
                ids = answer.json().get("refused", [])  # by a machine that is busy with other tests too

        with ThreadPoolExecutor(4) as callers:
            list(callers.map(send, batches))
    minutes = store.pending()
    PublishingState(store.client).begin_at(minutes[0])
    store.seal(minutes[-1])
    while store.pending():
        Flush(store.client).run()
    published: Counter[Id] = Counter()
    for counts in id_counts().values():
        published.update(counts)
    is_exact = published == Counter(id for batch in batches for id in batch)
    assert is_exact  # in one word: pytest would compare a million ids line by line
