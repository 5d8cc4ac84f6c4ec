"""Moments and lengths of time look the same wherever Tally shows them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.test import Client

from console.times import clock
from counter.models import PublishedMinute
from counter.timestamp import seconds, timestamp

MOMENT = datetime(2026, 11, 23, 8, 2, 0, 214_567, tzinfo=UTC)


def test_a_moment_is_in_utc_with_milliseconds() -> None:
    assert timestamp(MOMENT) == "2026-11-23T08:02:00.214Z"
    assert timestamp(MOMENT.astimezone(timezone(timedelta(hours=5)))) == "2026-11-23T08:02:00.214Z"
    assert timestamp(MOMENT.replace(microsecond=0)) == "2026-11-23T08:02:00.000Z"


def test_the_console_leaves_out_the_date_of_today() -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=1, microsecond=0)
    assert clock(today) == "00:00:01.000Z"
    assert clock(today - timedelta(days=1)) == timestamp(today - timedelta(days=1))


def test_a_length_of_time_has_three_decimals_at_most() -> None:
    assert seconds(0.574_321) == 0.574
    assert seconds(2.0) == 2


@pytest.mark.django_db
def test_so_it_does_in_the_history(admin_client: Client) -> None:
    PublishedMinute.objects.create(
        key="202611230801",
        start=datetime(2026, 11, 23, 8, 1, tzinfo=UTC),
        unique=3,
        total=5,
        published_at=MOMENT,
        lag_seconds=0.214_567,
        partition=0,
        offset=481,
        attempts=1,
    )
    of_api = admin_client.get("/api/v1/published/202611230801/").json()
    assert (of_api["published_at"], of_api["lag_seconds"]) == ("2026-11-23T08:02:00.214Z", 0.215)


@pytest.mark.django_db
def test_the_root_leads_to_the_console(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/admin/"
