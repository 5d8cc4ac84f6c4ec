"""Reading by HTTP: pending and published minutes, who may see them, and how errors look."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from counter.minute import Minute
from counter.models import ApiToken, PublishedMinute
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from tests.support.processes import ServerProcess
from tests.support.tally.flushing import accept

pytestmark = pytest.mark.django_db

MINUTES, PUBLISHED = "/api/v1/minutes/", "/api/v1/published/"


@pytest.fixture
def reader(valkey: redis.Redis) -> Client:
    """One with a token, of a user who is not staff."""
    token = ApiToken.objects.issue(User.objects.create_user("reader"), "tests", ApiToken.Scope.READ)
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def published() -> list[str]:
    first = Minute.parse("202611230758")
    rows = [
        PublishedMinute(
            key=str(minute),
            start=minute.start,
            unique=n,
            total=2 * n,
            published_at=datetime.fromtimestamp(minute.end + 0.5, UTC),
            lag_seconds=0.5,
            partition=0,
            offset=n,
            attempts=1,
        )
        for n, minute in enumerate(first.through(first + 4))
    ]
    return [row.key for row in PublishedMinute.objects.bulk_create(rows)]


def pages(client: Client, url: str, items: str = "results") -> Iterator[list[Any]]:
    following: str | None = url
    while following:
        body = client.get(following).json()
        yield body[items]
        following = body["next"]


def minutes_of(client: Client, url: str) -> list[str]:
    return [row["minute"] for page in pages(client, url) for row in page]


def is_problem(answer: Any, status: int) -> bool:
    kind = answer.headers["content-type"]
    return (answer.status_code, answer.json()["status"], kind) == (status, status, "application/problem+json")


def three_minutes(store: CountStore) -> list[str]:
    first = accept(store, 1, 2, 1)
    store.seal(first)
    second = accept(store, 3)
    store.seal(second)
    return [str(first), str(second), str(accept(store, 4))]


def test_lists_pending_minutes(reader: Client, store: CountStore) -> None:
    minutes = three_minutes(store)
    answer = reader.get(MINUTES)
    assert answer.headers["cache-control"] == "no-store"
    first, *_ = answer.json()["results"]
    assert first.pop("age_seconds") >= 0
    assert first == {"minute": minutes[0], "state": "publishing", "unique": 2, "total": 3}
    assert minutes_of(reader, MINUTES) == minutes
    assert minutes_of(reader, f"{MINUTES}?ordering=-minute&limit=1") == minutes[::-1]
    assert minutes_of(reader, f"{MINUTES}?limit=2") == minutes
    assert minutes_of(reader, f"{MINUTES}?since={minutes[1]}&limit=1") == minutes[1:]
    assert minutes_of(reader, f"{MINUTES}?until={minutes[1]}&ordering=-minute&limit=1") == minutes[1::-1]


def test_shows_a_pending_minute_with_its_ids(reader: Client, store: CountStore) -> None:
    minute = accept(store, *range(25), 3)
    body = reader.get(f"{MINUTES}{minute}/?limit=1").json()
    assert (body["minute"], body["unique"], body["total"]) == (str(minute), 25, 26)
    found = [list(page) for page in pages(reader, f"{MINUTES}{minute}/?limit=10", "ids")]
    assert [len(page) for page in found] == [10, 10, 5]
    assert sum(found, []) == [{"id": id, "count": 1 + (id == 3)} for id in range(25)]  # noqa: RUF017


def test_ids_are_text_for_those_whose_numbers_hold_fewer_bits(reader: Client, store: CountStore) -> None:
    minute = accept(store, 2**53 + 1)
    assert reader.get(f"{MINUTES}{minute}/?ids=text").json()["ids"] == [{"id": str(2**53 + 1), "count": 1}]


def test_says_where_a_published_minute_s_ids_are(reader: Client, published: list[str]) -> None:
    answer = reader.get(f"{MINUTES}{published[0]}/")
    assert is_problem(answer, 404)
    assert "id-counts" in answer.json()["detail"]
    answer = reader.get(f"{MINUTES}202001010000/")
    assert is_problem(answer, 404)
    assert "id-counts" not in answer.json()["detail"]


def test_lists_published_minutes(reader: Client, published: list[str]) -> None:
    first = reader.get(f"{PUBLISHED}?limit=1").json()["results"][0]
    assert first == {
        "minute": published[-1],
        "unique": 4,
        "total": 8,
        "published_at": "2026-11-23T08:03:00.500Z",
        "lag_seconds": 0.5,
        "partition": 0,
        "offset": 4,
        "attempts": 1,
    }
    assert minutes_of(reader, PUBLISHED) == published[::-1]
    assert minutes_of(reader, f"{PUBLISHED}?limit=2") == published[::-1]
    assert minutes_of(reader, f"{PUBLISHED}?limit=2&ordering=minute") == published
    between = f"since={published[1]}&until={published[3]}"
    assert minutes_of(reader, f"{PUBLISHED}?{between}&limit=1") == published[3:0:-1]


def test_a_page_keeps_its_place_when_a_minute_is_published(reader: Client, published: list[str]) -> None:
    following = reader.get(f"{PUBLISHED}?limit=2").json()["next"]
    row = PublishedMinute.objects.get(minute=published[-1])
    row.key = "202611230803"
    row.save(force_insert=True)
    assert [each["minute"] for each in reader.get(following).json()["results"]] == published[2:0:-1]


def test_a_published_minute_is_not_sent_twice(reader: Client, published: list[str]) -> None:
    for url in (PUBLISHED, f"{PUBLISHED}{published[0]}/"):
        answer = reader.get(url)
        again = reader.get(url, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert "private" in answer.headers["cache-control"]
    assert "max-age" in answer.headers["cache-control"]
    assert answer.json()["minute"] == published[0]


@pytest.mark.parametrize(
    "url",
    [
        f"{MINUTES}?limit=0",
        f"{MINUTES}?limit=1001",
        f"{MINUTES}?limit=x",
        f"{MINUTES}?limit=1&limit=1",
        f"{MINUTES}?since=2026",
        f"{MINUTES}?since=",
        f"{MINUTES}?cursor=x",
        f"{MINUTES}?form=202611230801",
        f"{MINUTES}?ordering=unique",
        f"{PUBLISHED}?until=202611230860",
        f"{PUBLISHED}?cursor=1",
        f"{PUBLISHED}202611230758/?x=1",
        f"{MINUTES}202611230758/?cursor=-1",
        f"{MINUTES}202611230758/?ids=words",
    ],
)
@pytest.mark.usefixtures("published")
def test_refuses_a_wrong_query_and_names_the_parameter(reader: Client, url: str) -> None:
    answer = reader.get(url)
    assert is_problem(answer, 400)
    (error,) = answer.json()["errors"]
    assert error["parameter"] in url


@pytest.mark.parametrize(
    "url", ["/api/v1/", "/api/v1/x", f"{MINUTES}202613010000/", f"{MINUTES}x/", f"{PUBLISHED}202001010000/"]
)
def test_what_is_not_there_is_a_404(reader: Client, url: str) -> None:
    assert is_problem(reader.get(url), 404)


def test_refuses_other_methods_and_types(reader: Client) -> None:
    answer = reader.post(MINUTES)
    assert is_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert is_problem(reader.get(MINUTES, headers={"Accept": "text/html"}), 406)


@pytest.mark.parametrize("url", [MINUTES, PUBLISHED, f"{MINUTES}202611230801/", f"{PUBLISHED}202611230801/"])
def test_reading_is_for_tokens_and_staff(url: str, valkey: redis.Redis) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = Client(headers=headers).get(url)
        assert is_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    user = User.objects.create_user("ada")
    session = Client()
    session.force_login(user)
    assert is_problem(session.get(url), 403)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert session.get(url).status_code in (200, 404)


def test_redis_away_is_a_503(reader: Client, valkey_process: ServerProcess) -> None:
    valkey_process.kill()
    try:
        answer = reader.get(MINUTES)
        assert is_problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        assert reader.get(PUBLISHED).status_code == 200
    finally:
        valkey_process.start()


def test_a_bug_is_a_500_without_a_traceback(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("counter.api.views.minutes.reader", broken)
    reader.raise_request_exception = False
    answer = reader.get(MINUTES)
    assert is_problem(answer, 500)
    assert b"secret" not in answer.content


@pytest.fixture
def clicks(settings: Settings, valkey: redis.Redis) -> str:
    """A minute of the counter clicks, which waits, and one that is published."""
    settings.COUNTERS = ("clicks",)
    minute = SyncWriter(connect_for_accept()).record(["a", "ä", "a"], "clicks").minute
    PublishedMinute.objects.create(
        key="clicks:202611230758",
        counter="clicks",
        start=Minute.parse("202611230758").start,
        unique=7,
        total=8,
        published_at=datetime(2026, 11, 23, 7, 59, tzinfo=UTC),
        lag_seconds=0.5,
        partition=0,
        offset=99,
        attempts=1,
    )
    return str(minute)


def test_reads_a_named_counter(reader: Client, published: list[str], clicks: str) -> None:
    [pending] = reader.get("/api/v1/minutes/?counter=clicks").json()["results"]
    assert (pending["counter"], pending["minute"], pending["unique"], pending["total"]) == (
        "clicks",
        clicks,
        2,
        3,
    )
    one = reader.get(f"/api/v1/minutes/{clicks}/?counter=clicks").json()
    assert one["ids"] == [{"id": "a", "count": 2}, {"id": "ä", "count": 1}]
    [row] = reader.get(f"{PUBLISHED}?counter=clicks").json()["results"]
    assert (row["counter"], row["minute"], row["unique"]) == ("clicks", "202611230758", 7)
    assert reader.get(f"{PUBLISHED}202611230758/?counter=clicks").json() == row


def test_the_default_counter_is_as_if_there_were_no_others(
    reader: Client, published: list[str], clicks: str
) -> None:
    assert reader.get("/api/v1/minutes/").json()["results"] == []
    assert minutes_of(reader, PUBLISHED) == published[::-1]
    assert "counter" not in reader.get(f"{PUBLISHED}202611230758/").json()


def test_knows_a_counter_that_was_taken_out_while_it_has_minutes(
    reader: Client, clicks: str, settings: Settings
) -> None:
    settings.COUNTERS = ()
    assert reader.get(f"{PUBLISHED}?counter=clicks").status_code == 200
    for url in ("/api/v1/minutes/", PUBLISHED):
        answer = reader.get(f"{url}?counter=nobody")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["parameter"] == "counter"
