"""Odd queries: every parameter of every page of the console, with anything in it, is a page or a redirect."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest
import redis
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from counter.minute import Minute
from counter.store.counts import CountStore
from tests.support.tally.minutes import HISTORY, HOME, LIVE, publish, wait_in_redis

pytestmark = pytest.mark.django_db

MINUTE = Minute.parse("202611230801")
PENDING = f"/admin/counter/pendingminute/{MINUTE}/"
EXPORT = f"{HISTORY}export/"
PAGES = {
    HOME: ("until", "flush", "at"),
    LIVE: ("until", "flush", "at"),
    PENDING: ("start", "id"),
    f"{PENDING}live/": ("start", "id"),
    f"{PENDING}top/": ("start",),
    **dict.fromkeys(
        (HISTORY, EXPORT),
        (
            *(
                "q",
                "p",
                "o",
                "e",
                "all",
                "since",
                "until",
                "traffic",
                "trouble",
                "_popup",
                "_to_field",
                "_facets",
            ),
            *("start__year", "start__month", "start__day", "start__gte", "start__lt", "start", "minute"),
            *("minute__in", "unique__gt", "lag_seconds", "offset__isnull", "pk", "x__y"),
        ),
    ),
    f"{HISTORY}{MINUTE}/change/": ("_changelist_filters", "_to_field", "_popup"),
    f"{HISTORY}charts/hour/": ("span",),
    "/admin/auth/user/": ("q", "p", "o", "is_staff__exact", "groups__id__exact", "date_joined__year"),
    "/admin/admin/logentry/": ("q", "p", "o", "user__id__exact", "action_time__year"),
    "/admin/login/": ("next",),
}
NUMBERS = (
    "0",
    "-1",
    "1",
    "9999",
    "10000",
    "2" * 20,
    "9" * 400,
    "9" * 5000,
    "1e9",
    "0x1",
    "٣",
    "²",
    "NaN",
    "1.5",
)
TEXTS = (
    "",
    "\0",
    "a" * 5000,
    "%",
    "'",
    "202611230801",
    "2026-11-23",
    "9999-12-31T23:59",
    "0001-01-01",
    "0:1",
    "\ud7ff",
)
values = st.sampled_from(NUMBERS + TEXTS) | st.integers(-(10**20), 10**20).map(str) | st.text(max_size=20)


@st.composite
def queries(draw: st.DrawFn) -> str:
    page = draw(st.sampled_from(sorted(PAGES)))
    names = st.sampled_from(PAGES[page]) | st.text(max_size=10)
    return f"{page}?{urlencode(draw(st.lists(st.tuples(names, values), max_size=4)))}"


@pytest.fixture
def admin(store: CountStore, valkey: redis.Redis) -> Client:
    """A superuser's, with a minute that waits and some that were published."""
    wait_in_redis(valkey, MINUTE, {1: 2, 2: 1})
    for number in range(1, 4):
        publish(MINUTE - number, offset=number)
    client = Client()
    client.force_login(User.objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


async def read(answer: Any) -> bytes:
    return b"".join([piece async for piece in answer])


def is_clear(client: Client, url: str) -> bool:
    """Whether the answer is one for people; also to its end, where it is sent in pieces."""
    answer = client.get(url)
    if answer.streaming:
        async_to_sync(read)(answer)
    return answer.status_code in (200, 301, 302, 400, 404)


@example(f"{HISTORY}?start__year=9999")
@example(f"{EXPORT}?start__year=9999")
@example(f"{EXPORT}?unique__gt=x")
@example(f"{HOME}?flush={MINUTE}&at={'9' * 400}")
@example(f"{LIVE}?until={quote('٣')}")
@example(f"{HISTORY}{MINUTE}/change/?_to_field=")
@example("/admin/auth/user/?date_joined__year=9999")
@example("/admin/auth/user/?p=-1")
@given(queries())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_odd_query_is_a_clear_page(admin: Client, url: str) -> None:
    assert is_clear(admin, url), url


@pytest.mark.parametrize("query", ["start__year=9999", "unique__gt=x", "x__y=1"])
def test_an_export_with_a_wrong_filter_leads_to_the_list_that_says_so(admin: Client, query: str) -> None:
    answer = admin.get(f"{EXPORT}?{query}")
    assert (answer.status_code, answer.headers["location"]) == (302, HISTORY)
    assert "Nothing can be found by that query" in admin.get(HISTORY).content.decode()


@pytest.mark.parametrize("page", [PENDING, f"{PENDING}live/"])
def test_a_number_that_is_none_is_the_first_page(admin: Client, page: str) -> None:
    for start in ("9" * 30, "٣"):
        assert "Redis is away" not in admin.get(page, {"start": start}).content.decode()
    assert "Redis is away" not in admin.get(HOME, {"until": "٣"}).content.decode()
