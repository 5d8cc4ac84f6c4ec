"""The console without a browser: who may see and do what, and what it says."""

import csv
import time
from collections.abc import AsyncIterable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import redis
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import AsyncClient, Client
from pytest_django import Settings

from console.headline import overview
from console.level import Level
from console.pages.export import FIELDS
from console.panels import registry
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from counter.store.lease import Lease
from counter.store.publishing_state import PublishingState
from tests.console.conftest import Login
from tests.support.directives import configured
from tests.support.processes import ServerProcess
from tests.support.tally.minutes import HISTORY, HOME, LIVE, publish, wait_in_redis

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka_process")]

ACTIONS = "/admin/admin/logentry/"
FLUSH = "/admin/counter/pendingminute/flush/"


def text(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


# Who may do what


def test_nobody_sees_it_unknown(client: Client) -> None:
    for url in (HOME, LIVE, HISTORY, f"{HISTORY}charts/hour/", f"{HISTORY}export/"):
        assert client.get(url).headers["location"].startswith("/admin/login/")


def test_staff_without_a_group_see_nothing_of_it(login: Login, store: CountStore) -> None:
    client = login()
    assert "data-live" not in text(client, HOME)
    minute = Minute.at(time.time())
    pages = ("live/", "panels/Redis/", "measures/", f"{minute}/", f"{minute}/live/", f"{minute}/top/")
    for page in pages:
        assert client.get(f"/admin/counter/pendingminute/{page}").status_code == 403
    for url in (FLUSH, HISTORY, f"{HISTORY}charts/hour/", f"{HISTORY}export/"):
        assert client.get(url).status_code == 403


def test_viewers_look_but_do_not_flush(viewer: Client, store: CountStore, valkey: redis.Redis) -> None:
    assert "Flush now" not in text(viewer, HOME)
    assert viewer.post(FLUSH).status_code == 403
    assert valkey.llen("tally.flush") == 0
    assert not LogEntry.objects.exists()


def test_operators_flush_and_the_log_says_so(
    operator: Client, store: CountStore, valkey: redis.Redis
) -> None:
    assert "Flush now" in text(operator, HOME)
    assert operator.get(FLUSH).status_code == 403
    answer = operator.post(FLUSH)
    assert valkey.llen("tally.flush") == 1
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.change_message) == ("Operators", "Asked for a flush.")
    assert "nothing to flush" in text(operator, answer.headers["location"])


def test_history_can_not_be_changed(login: Login) -> None:
    minute = Minute.at(time.time()) - 5
    publish(minute)
    client = login(superuser=True)
    assert client.get(f"{HISTORY}add/").status_code == 403
    assert client.post(f"{HISTORY}{minute}/delete/").status_code == 403
    assert client.post(f"{HISTORY}{minute}/change/", {"unique": 0}).status_code == 403
    assert PublishedMinute.objects.get().unique == 3


# What the first page says


def test_it_opens_with_the_pending_minutes(viewer: Client, store: CountStore) -> None:
    accepted = SyncWriter(connect_for_accept()).record([42, 42, 43])
    page = text(viewer, HOME)
    assert "Counts flow" in page
    assert f'data-minute="{accepted.minute}" data-total="3"' in page
    assert viewer.get("/admin/counter/pendingminute/").headers["location"] == HOME


def test_nothing_was_ever_accepted(viewer: Client, store: CountStore) -> None:
    assert "waiting for the first call" in text(viewer, HOME)


def test_a_minute_is_overdue_90_seconds_after_its_end(
    viewer: Client, store: CountStore, valkey: redis.Redis
) -> None:
    now = Minute.at(clock.now(store.client))
    wait_in_redis(valkey, now - 5, {1: 1})
    seen = overview.look({})
    assert [row.state for row in seen.rows] == ["overdue"]
    assert (seen.waiting, seen.verdict.level) == (1, Level.BAD)
    assert "Publishing is behind" in text(viewer, LIVE)


def test_idle_minutes_that_are_not_published_show_too(viewer: Client, store: CountStore) -> None:
    publish(Minute.at(clock.now(store.client)) - 2)
    assert "Idle" in text(viewer, LIVE)
    PublishedMinute.objects.all().delete()
    publish(Minute.at(clock.now(store.client)) - 10)
    assert "Publishing stands still" in text(viewer, LIVE)


def test_a_halt_is_loud(viewer: Client, store: CountStore) -> None:
    PublishingState(store.client).halt("unique-counts has no record")
    page = text(viewer, LIVE)
    assert 'role="alert"' in page
    assert "Publishing has stopped" in page
    assert "unique-counts has no record" in page


def test_redis_away_is_said_and_soon(viewer: Client, valkey_process: ServerProcess) -> None:
    valkey_process.kill()
    try:
        for url in (HOME, LIVE, "/admin/counter/pendingminute/202611230801/"):
            assert "Redis is away" in text(viewer, url)
        assert viewer.get("/admin/counter/pendingminute/202611230801/top/").status_code == 503
        assert registry.read("Redis")[0] == Level.BAD
        assert registry.read("Workers")[0] == registry.read("Beat")[0] == Level.BAD
    finally:
        valkey_process.start()


def test_operators_read_who_did_what(
    operator: Client, viewer: Client, store: CountStore, valkey: redis.Redis
) -> None:
    operator.post(FLUSH)
    entry = LogEntry.objects.get()
    page = text(operator, ACTIONS)
    assert "Operators" in page
    assert "Flush up to" in page
    assert "Asked for a flush." in page
    assert viewer.get(ACTIONS).status_code == 403
    for change in (f"{ACTIONS}{entry.pk}/delete/", f"{ACTIONS}add/"):
        assert operator.post(change, {"post": "yes"}).status_code == 403
    assert LogEntry.objects.exists()


def test_a_flush_that_can_not_be_sent_says_so(operator: Client, valkey_process: ServerProcess) -> None:
    valkey_process.kill()
    try:
        assert "could not be sent" in operator.post(FLUSH, follow=True).content.decode()
    finally:
        valkey_process.start()
    assert not LogEntry.objects.exists()


def test_many_pending_minutes_come_in_pages(viewer: Client, store: CountStore, valkey: redis.Redis) -> None:
    last = Minute.at(clock.now(store.client)) - 1
    minutes = list((last - 69).through(last))
    for minute in minutes:
        wait_in_redis(valkey, minute, {1: 1})
    seen: list[Minute] = []
    until: str | None = ""
    while until is not None:
        page = overview.look({"until": until})
        assert page.waiting == 70
        assert page.oldest
        assert page.oldest.pending.minute == minutes[0]
        seen += [row.pending.minute for row in page.rows]
        until = page.older
    assert seen == minutes[::-1]


@pytest.mark.parametrize(
    ("happened", "seconds", "expected"),
    [
        ("", 0, "nothing to flush"),
        ("sealed", 0, "waiting for a worker"),
        ("sealed", 60, "did not get through"),
        ("sealed, taken", 60, "A worker is publishing"),
        ("sealed, halted", 0, "The flush stopped: clocks"),
    ],
)
def test_a_flush_is_followed(
    viewer: Client, store: CountStore, happened: str, seconds: int, expected: str
) -> None:
    minute = Minute.at(clock.now(store.client)) - 1
    if "sealed" in happened:
        store.seal(minute)
    if "taken" in happened:
        assert Lease(store.client).take()
    if "halted" in happened:
        PublishingState(store.client).halt("clocks")
    url = f"{LIVE}?flush={minute}&at={int(time.time()) - seconds}"
    assert expected in text(viewer, url)
    publish(minute)
    assert "Flushed: everything up to" in text(viewer, url)


def test_the_redis_panel_tells_what_is_unsafe(valkey: redis.Redis) -> None:
    assert registry.read("Redis")[0] == Level.OK
    with configured(valkey, "maxmemory-policy", "allkeys-lru"):
        level, facts = registry.read("Redis")
    assert level == Level.BAD
    assert "evict" in facts[0].value


# One minute


def test_a_minute_shows_its_ids_a_page_at_a_time(viewer: Client, valkey: redis.Redis) -> None:
    minute = Minute.at(time.time()) - 1
    wait_in_redis(valkey, minute, {id: id for id in range(1, 61)})
    url = f"/admin/counter/pendingminute/{minute}/"
    assert [id for id, _ in viewer.get(url).context["page"].counts] == list(range(1, 51))
    rest = viewer.get(f"{url}?start=50").context["page"]
    assert [id for id, _ in rest.counts] == list(range(51, 61))
    assert rest.next is None


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("7", "7</strong> was accepted <strong>7</strong> times"),
        ("99", "<strong>0</strong> times"),
        ("x", "must be"),
    ],
)
def test_a_minute_is_searched_for_an_id(viewer: Client, valkey: redis.Redis, id: str, expected: str) -> None:
    minute = Minute.at(time.time()) - 1
    wait_in_redis(valkey, minute, {id: id for id in range(1, 61)})
    assert expected in text(viewer, f"/admin/counter/pendingminute/{minute}/?id={id}")


def test_the_top_of_a_large_minute_comes_in_slices(viewer: Client, valkey: redis.Redis) -> None:
    minute = Minute.at(time.time()) - 1
    wait_in_redis(valkey, minute, {2**60 + n: n + 1 for n in range(25_000)})
    url = f"/admin/counter/pendingminute/{minute}/top/"
    first = viewer.get(url).json()
    assert first["next"] == 20_000
    assert first["top"] == [[str(2**60 + n), n + 1] for n in range(19_999, 19_979, -1)]
    second = viewer.get(f"{url}?start=20000").json()
    assert second["next"] is None
    assert second["top"][0] == [str(2**60 + 24_999), 25_000]


def test_a_minute_that_is_elsewhere(viewer: Client, store: CountStore) -> None:
    minute = Minute.at(clock.now(store.client)) - 1
    url = f"/admin/counter/pendingminute/{minute}/"
    assert viewer.get(url).headers["location"] == HOME
    publish(minute)
    assert viewer.get(url).headers["location"] == f"{HISTORY}{minute}/change/"
    assert "Published." in text(viewer, f"{url}live/")
    assert viewer.get("/admin/counter/pendingminute/202613010000/").status_code == 404


# The history


def listed(client: Client, query: str) -> list[str]:
    return [row.minute for row in client.get(f"{HISTORY}?{query}").context["cl"].result_list]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["202612010000", "202611230802", "202611230801"]),
        ("q=202611230801", ["202611230801"]),
        ("q=2026-11-23", ["202611230802", "202611230801"]),
        ("q=2026-11-23+08:02", ["202611230802"]),
        ("q=12", ["202611230802"]),
        ("q=0:12", ["202611230802"]),
        ("q=1:12", []),
        ("q=0:", ["202612010000", "202611230802", "202611230801"]),
        ("q=x", []),
        (f"q={'9' * 100}", []),
        ("traffic=none", ["202611230802"]),
        ("traffic=some", ["202612010000", "202611230801"]),
        ("trouble=late", ["202612010000"]),
        ("trouble=repeated", []),
        ("since=2026-11-23T08:02&until=2026-11-23T08:02", ["202611230802"]),
        ("since=2026-11-23T08:02", ["202612010000", "202611230802"]),
        ("since=nonsense&until=", ["202612010000", "202611230802", "202611230801"]),
        ("start__year=2026&start__month=12", ["202612010000"]),
    ],
)
def test_history_is_searched_and_filtered(viewer: Client, query: str, expected: list[str]) -> None:
    publish(Minute.parse("202611230801"), offset=10)
    publish(Minute.parse("202611230802"), unique=0, total=0, offset=12)
    publish(Minute.parse("202612010000"), lag=100, offset=14)
    assert listed(viewer, query) == expected


def test_the_calendar_jumps_to_what_there_is(viewer: Client) -> None:
    for minute in ("202511302359", "202601010000", "202603010000", "202603020101", "202603022359"):
        publish(Minute.parse(minute))

    def choices(query: str) -> list[str]:
        page = text(viewer, f"{HISTORY}?{query}")
        nav = page[page.index('class="toplinks"') :].partition("</nav>")[0]
        return [line.split(">")[1].split("<")[0] for line in nav.splitlines() if line.startswith("<a href")]

    assert choices("") == ["2025", "2026"]
    assert choices("start__year=2026") == ["&lsaquo; All dates", "January 2026", "March 2026"]
    assert choices("start__year=2026&start__month=3") == ["&lsaquo; 2026", "March 1", "March 2"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
async def test_what_is_listed_is_exported() -> None:
    user = await User.objects.acreate(username="root", is_staff=True, is_superuser=True)
    client = AsyncClient()
    await client.aforce_login(user)
    first = Minute.parse("202611230000")
    rows = [
        PublishedMinute(
            key=str(minute), start=minute.start, unique=1, total=2, published_at=minute.start,
            lag_seconds=0.5, partition=0, offset=minute.number - first.number, attempts=1,
        )
        for minute in first.through(first + 2499)
    ]  # fmt: skip
    await PublishedMinute.objects.abulk_create(rows)
    answer = await client.get(f"{HISTORY}export/?since=2026-11-23T00:10")
    pieces = [piece.decode() async for piece in answer.streaming_content]  # type: ignore[attr-defined]
    assert len(pieces) == 3
    header, *lines = csv.reader("".join(pieces).splitlines())
    assert header == list(FIELDS)
    assert len(lines) == 2490
    assert lines[-1] == ["202611230010", "1", "2", "2026-11-23T00:10:00.000Z", "0.5", "0", "10", "1"]


# Commands and migration


def test_the_first_admin_has_a_password_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("ensure_admin")
    password = capsys.readouterr().out.split("password ")[1].split()[0]
    assert len(password) >= 16
    assert User.objects.get(username="admin").check_password(password)
    call_command("ensure_admin")
    assert not capsys.readouterr().out
    assert User.objects.get(username="admin").check_password(password)


def test_a_superuser_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_superuser("somebody")
    call_command("ensure_admin")
    assert not capsys.readouterr().out
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_rows_from_before_get_their_time() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([("counter", "0001_initial")])
    old = executor.loader.project_state([("counter", "0001_initial")]).apps
    try:
        old.get_model("counter", "PublishedMinute").objects.create(
            minute="202611230801", unique=1, total=1, published_at=datetime.now(UTC), lag_seconds=1,
            partition=0, offset=0, attempts=1,
        )  # fmt: skip
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    assert PublishedMinute.objects.get().start == datetime(2026, 11, 23, 8, 1, tzinfo=UTC)
    assert timedelta(0) == PublishedMinute.objects.get().start.utcoffset()


@pytest.fixture
def clicks(settings: Settings, valkey: redis.Redis) -> Minute:
    """A minute of the counter clicks, which waits; an earlier one is published."""
    settings.COUNTERS = ("clicks",)
    minute = SyncWriter(connect_for_accept()).record(["a", "<b>", "a"], "clicks").minute
    PublishedMinute.objects.create(
        key=f"clicks:{minute - 1}",
        counter="clicks",
        start=(minute - 1).start,
        unique=7,
        total=8,
        published_at=datetime.now(UTC),
        lag_seconds=0.5,
        partition=0,
        offset=99,
        attempts=1,
    )
    publish(minute - 1, unique=1, total=1)
    return minute


def test_counters_stand_side_by_side_and_one_is_chosen_once(viewer: Client, clicks: Minute) -> None:
    page = viewer.get(HOME).content.decode()
    assert '<option value="clicks">clicks</option>' in page
    assert "?counter=clicks" in page
    assert f'data-minute="{clicks}"' not in page
    page = viewer.get(f"{HOME}?counter=clicks").content.decode()
    assert '<option value="clicks" selected>' in page
    for url in (HOME, f"{HOME}counter/pendingminute/live/"):
        assert f'data-minute="{clicks}"' in viewer.get(url).content.decode()


def test_the_pages_of_a_named_counter_are_about_it(viewer: Client, clicks: Minute) -> None:
    viewer.get(f"{HOME}?counter=clicks")
    page = viewer.get(f"{HOME}counter/pendingminute/{clicks}/?id=a").content.decode()
    assert "<strong>a</strong> was accepted <strong>2</strong> times" in page
    assert "&lt;b&gt;" in page
    top = viewer.get(f"{HOME}counter/pendingminute/{clicks}/top/").json()
    assert top["top"] == [["a", 2], ["<b>", 1]]
    history = viewer.get(HISTORY).content.decode()
    assert ">7<" in history
    assert "0:99" in history
    lines = async_to_sync(whole)(cast("AsyncIterable[bytes]", viewer.get(f"{HISTORY}export/"))).splitlines()
    assert lines[0].startswith("counter,minute,")
    assert lines[1].startswith(f"clicks,{clicks - 1},7,8,")
    chart = viewer.get(f"{HISTORY}charts/hour/").json()
    assert 7 in chart["unique"]


async def whole(answer: AsyncIterable[bytes]) -> str:
    return b"".join([piece async for piece in answer]).decode()


def test_an_unknown_counter_chooses_none(viewer: Client, clicks: Minute) -> None:
    page = viewer.get(f"{HOME}?counter=nobody").content.decode()
    assert '<option value="" selected>' in page
