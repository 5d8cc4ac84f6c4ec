"""What the charts draw: the history in buckets, any range of it, and what this machine has counted."""

import time

import pytest
from django.test import Client

from console.pages.charts import SPANS, Window, chart
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.telemetry import metrics, rejections
from tests.support.tally.minutes import HISTORY, publish

pytestmark = pytest.mark.django_db

MEASURES = "/admin/counter/pendingminute/measures/"


def test_charts_show_the_mean_of_each_bucket(viewer: Client) -> None:
    last = Minute.at(time.time()) - 1
    for n in range(30):
        publish(last - n, unique=10 + n % 2, total=100, lag=n)
    data = viewer.get(f"{HISTORY}charts/day/").json()
    assert len(data["time"]) == len(data["total"]) == 144
    known = [total for total in data["total"] if total is not None]
    assert set(known) == {100}
    assert 3 <= len(known) <= 4
    assert max(value for value in data["lag_max"] if value is not None) == 29
    assert viewer.get(f"{HISTORY}charts/year/").status_code == 404


def test_charts_of_nothing(viewer: Client) -> None:
    for name in SPANS:
        data = viewer.get(f"{HISTORY}charts/{name}/").json()
        assert set(data["unique"]) == {None}
        assert set(data["pending"]) == {0}


def pending(seconds: int) -> dict[int, int]:
    """How many waited, by the beginning of the bucket."""
    data = chart(Window.last(seconds, 60))
    return dict(zip(data["time"], data["pending"], strict=True))


def test_a_backlog_grows_and_is_gone_when_it_was_published() -> None:
    now = Minute.at(time.time())
    # Nothing was published for ten minutes, then all of it at once; then nothing any more.
    for minute in (now - 14).through(now - 5):
        publish(minute, lag=(now - 4).start.timestamp() + 1 - minute.end)
    waiting = pending(1800)
    at = [waiting.get(int((now - n).start.timestamp())) for n in range(15, -1, -1)]
    # The last two depend on the second in which this runs, for a minute may have begun meanwhile.
    assert at[:13] == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1]
    for minutes in (2, 5, 8):  # windows that open in the second outage, after the first and in it
        assert pending(60 * minutes).items() <= pending(1800).items()


def test_a_range_is_drawn_in_steps_that_fit(viewer: Client) -> None:
    now = int(time.time())
    for minutes, step in (
        (5, 60),
        (180, 60),
        (181, 600),
        (60 * 24 * 3, 3600),
        (60 * 24 * 365, 7 * 24 * 3600),
    ):
        data = viewer.get(f"{HISTORY}charts/{now - 60 * minutes}-{now}/").json()
        assert data["step"] == step
        assert 5 <= len(data["time"]) <= 182
        assert data["time"][-1] <= now < data["time"][-1] + step
        assert data["time"][0] <= now - 60 * minutes + step
    ahead = viewer.get(f"{HISTORY}charts/{now - 600}-{now + 10**6}/").json()
    assert ahead["time"][-1] <= time.time(), "a minute may have begun meanwhile"
    for odd in (f"{now + 60}-{now + 120}", f"{now}-{now - 60}", "5-5", "9" * 400 + "-1", f"0-{'9' * 4000}"):
        assert viewer.get(f"{HISTORY}charts/{odd}/").status_code in (200, 404), odd


def test_a_range_shows_the_past_alone(viewer: Client) -> None:
    last = Minute.at(time.time()) - 1
    for n in range(30):
        publish(last - n, total=100 + n)
    begin, end = (int((last - n).start.timestamp()) for n in (20, 10))
    data = viewer.get(f"{HISTORY}charts/{begin}-{end}/").json()
    assert data["total"] == [100 + n for n in range(20, 9, -1)]
    assert set(data["pending"]) == {0}


def test_times_in_which_publishing_stood_still() -> None:
    now = Minute.at(time.time())
    for minute in (now - 50).through(now - 1):
        publish(minute, lag=1)
    assert chart(Window.last(3600, 60))["standstills"] == []
    for back in (40, 20):  # twice for five minutes
        end = (now - back).start.timestamp() + 1
        for minute in (now - back - 5).through(now - back - 1):
            PublishedMinute.objects.filter(minute=str(minute)).delete()
            publish(minute, lag=end - minute.end)
    expected = [
        ((now - back - 5).end, pytest.approx((now - back).start.timestamp() + 1)) for back in (40, 20)
    ]
    for window in (Window.last(3600, 60), Window.last(24 * 3600, 600)):
        assert chart(window)["standstills"] == expected
    since, until = (int((now - back).start.timestamp()) for back in (43, 30))
    assert chart(Window.between(since, until))["standstills"] == expected[:1]


def test_publishing_that_stands_still_now() -> None:
    now = Minute.at(time.time())
    publish(now - 4, lag=1)
    [(begin, end)] = chart(Window.last(3600, 60))["standstills"]
    assert begin == (now - 3).end
    assert time.time() - 10 < end <= time.time()


def test_measures_are_totals_by_reason_and_by_time(viewer: Client) -> None:
    before = viewer.get(MEASURES).json()
    rejections.BAD_CALL.add(3)
    metrics.observe({"": 1}, 0.003)
    after = viewer.get(MEASURES).json()
    assert after["refused"]["bad_call"] - before["refused"].get("bad_call", 0) == 3
    grown = {bound: count - before["scripts"].get(bound, 0) for bound, count in after["scripts"].items()}
    assert (grown["0.002"], grown["0.005"], grown["+Inf"]) == (0, 1, 1)
    assert after["now"] > before["now"]
