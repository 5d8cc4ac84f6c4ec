"""Named counters in the topic: a row for each, without gaps, in one transaction with all others."""

from collections.abc import Callable, Iterator

import pytest
import redis
from django.test import override_settings

from counter.counters import DEFAULT
from counter.minute import Minute
from counter.models import PublishedMinute
from counter.redis.clients import connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys
from counter.store.counts import CountStore
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.publishing import history, steps
from tasks.publishing.flush import Flush
from tests.support.reading import id_counts, records, rows
from tests.support.tally.flushing import next_minute, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]


@pytest.fixture(autouse=True)
def counters() -> Iterator[None]:
    with override_settings(COUNTERS=("clicks", "installs")):
        yield


@pytest.fixture
def store(valkey: redis.Redis, counters: None) -> CountStore:
    return CountStore.known(valkey)


@pytest.fixture
def accept(store: CountStore) -> Callable[..., Minute]:
    def accept(counter: str, *ids: str | int) -> Minute:
        return SyncWriter(connect_for_accept()).record(ids, counter).minute

    return accept


def end_minute(store: CountStore) -> list[Minute]:
    """One more minute is over, and published."""
    if sealed := store.sealed():
        store.seal(max([*store.pending()[-1:], sealed + 1]))
    else:
        next_minute(store)
    return run(store)


def test_a_minute_has_a_record_of_each_counter_and_the_default_ones_is_the_last(
    store: CountStore, valkey: redis.Redis, accept: Callable[..., Minute]
) -> None:
    minute = accept("installs", "3f9a", "3f9a", "ä")
    accept("clicks", "7", "007", "7")
    accept(DEFAULT, 7, 7)
    assert end_minute(store) == [minute]
    assert records(UNIQUE_COUNTS)[0][0] == f"clicks:{minute}".encode()
    assert rows() == [
        (str(minute), "clicks", 2, 3),
        (str(minute), "installs", 2, 3),
        (str(minute), DEFAULT, 1, 2),
    ]
    assert id_counts("clicks") == {str(minute): {"7": 2, "007": 1}}
    assert id_counts("installs") == {str(minute): {"3f9a": 2, "ä": 1}}
    assert id_counts() == {str(minute): {7: 2}}
    left = {name for name in valkey.scan_iter() if b":writer:" not in name}
    assert left == {keys.ID.encode(), keys.COUNTERS.encode()} | {
        name.encode()
        for bucket in keys.places(1, (DEFAULT, "clicks", "installs"))
        for name in (bucket.sealed, bucket.settled, bucket.layout)
        if name != keys.WHOLE.layout
    }


def test_each_counters_row_begins_with_its_first_id_and_has_no_gap(
    store: CountStore, accept: Callable[..., Minute]
) -> None:
    first = accept("clicks", "a")
    end_minute(store)
    accept(DEFAULT, 1)
    end_minute(store)
    end_minute(store)
    assert rows() == [
        (str(first), "clicks", 1, 1),
        (str(first + 1), "clicks", 0, 0),
        (str(first + 1), DEFAULT, 1, 1),
        (str(first + 2), "clicks", 0, 0),
        (str(first + 2), DEFAULT, 0, 0),
    ]


def test_a_counter_that_is_taken_out_is_published_to_its_end_and_begins_anew_when_it_comes_back(
    store: CountStore, accept: Callable[..., Minute]
) -> None:
    first = accept("clicks", "a")
    accept(DEFAULT, 1)
    end_minute(store)
    accept("clicks", "b")
    with override_settings(COUNTERS=()):
        for _ in range(2):
            end_minute(CountStore.known(store.client))
    end_minute(store)
    accept("clicks", "c")
    end_minute(store)
    of_clicks = [(minute, unique) for minute, counter, unique, _ in rows() if counter == "clicks"]
    assert of_clicks == [(str(first), 1), (str(first + 1), 1), (str(first + 4), 1)]
    assert [row[0] for row in rows() if row[1] == DEFAULT] == [str(first + n) for n in range(5)]


def test_where_no_counter_goes_on_idle_minutes_have_no_record(
    store: CountStore, accept: Callable[..., Minute]
) -> None:
    first = accept("clicks", "a")
    end_minute(store)
    with override_settings(COUNTERS=()):
        idle = CountStore.known(store.client)
        for _ in range(3):
            assert end_minute(idle) == []
        later = SyncWriter(connect_for_accept()).record([1]).minute
        assert end_minute(idle) == [later]
    assert later > first + 3
    assert [row[:2] for row in rows()] == [(str(first), "clicks"), (str(later), DEFAULT)]


def test_a_long_backlog_is_published_in_one_run(store: CountStore, accept: Callable[..., Minute]) -> None:
    first = accept("clicks", "a")
    accept(DEFAULT, 1)
    next_minute(store)
    store.seal(first + 250)
    assert run(store) == list(first.through(first + 250))
    assert len(rows()) == 2 * 251


def test_calls_of_a_minute_that_was_published_without_their_counter_count_in_a_later_one(
    store: CountStore, valkey: redis.Redis, accept: Callable[..., Minute]
) -> None:
    """As a flusher of a version before counters does, or one whose Redis has lost the registry."""
    first = accept("clicks", "a", "a", "b")
    accept(DEFAULT, 1)
    valkey.delete(keys.COUNTERS)
    with override_settings(COUNTERS=()):
        end_minute(CountStore.known(valkey))
    assert [row[1] for row in rows()] == [DEFAULT]
    end_minute(store)
    end_minute(store)
    of_clicks = [row for row in rows() if row[1] == "clicks"]
    assert of_clicks[0][2:] == (2, 3)
    assert of_clicks[0][0] > str(first)
    assert store.of("clicks").pending() == []


@pytest.mark.parametrize("point", ["6a.seal", "6b.id_counts", "6b.commit", "6c.published", "6e.settle"])
def test_a_crash_loses_nothing_and_doubles_nothing(
    store: CountStore, accept: Callable[..., Minute], monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    minute = accept("clicks", *map(str, range(1500)))
    accept("installs", "x")
    accept(DEFAULT, 1)
    next_minute(store)

    def crash(reached: str) -> None:
        if reached == f"{point}.before":
            raise RuntimeError(point)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match=point):
        patch.setattr(steps, "watchers", [crash])
        Flush(store.client).run()
    run(store)
    assert rows() == [
        (str(minute), "clicks", 1500, 1500),
        (str(minute), "installs", 1, 1),
        (str(minute), DEFAULT, 1, 1),
    ]
    assert store.pending() == []


def test_the_history_has_a_row_of_each_counter(store: CountStore, accept: Callable[..., Minute]) -> None:
    minute = accept("clicks", "a")
    accept(DEFAULT, 1)
    next_minute(store)
    report = Flush(store.client).run()
    assert history.follow(report.attempts) == 2
    found = PublishedMinute.objects.values_list("key", "counter", "minute", "unique", "attempts")
    assert sorted(found) == [
        (str(minute), DEFAULT, str(minute), 1, 1),
        (f"clicks:{minute}", "clicks", str(minute), 1, 1),
    ]
