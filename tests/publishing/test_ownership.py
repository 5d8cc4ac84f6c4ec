"""Whose record it is: counts are deleted only for a record that this very Redis has published."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from confluent_kafka import Producer
from django.conf import settings
from django.core.management import CommandError
from redis.exceptions import ResponseError

from counter.minute import Minute
from counter.redis import clock
from counter.store import late
from counter.store.counts import CountStore, Stats
from counter.store.publishing_state import PublishingState
from tasks import metrics
from tasks.errors import Halt
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.output.published_log import PublishedLog
from tasks.output.transaction import Transaction
from tasks.publishing import steps
from tests.support.checker import verify_each
from tests.support.reading import id_counts, unique_counts
from tests.support.tally.systems import System, systems

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]

EARLIER = Minute.parse("202601010000")


@pytest.fixture(scope="module")
def valkeys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[System]]:
    with systems(tmp_path_factory.mktemp("systems"), 3) as three:
        yield three


@pytest.fixture
def three(valkeys: list[System]) -> list[System]:
    """Three new systems on one Kafka."""
    for each in valkeys:
        each.forget()
    return [System(each.url) for each in valkeys]


@pytest.fixture
def first(three: list[System]) -> System:
    return three[0]


@pytest.fixture
def second(three: list[System]) -> System:
    return three[1]


def halts(system: System, why: str) -> None:
    """Publishing stops for that reason, and nothing in Redis changes."""
    before = system.waiting()
    with pytest.raises(Halt, match=why):
        system.flush()
    assert system.waiting() == before


def send(minute: Minute, stats: Stats) -> None:
    """The record of a version in which records did not say whose they are."""
    value = {"minute": str(minute), "unique": stats.unique, "total": stats.total}
    producer = Producer({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS})
    text = json.dumps(value | {"published_at": "2026-11-23T08:02:00.214Z"})
    producer.produce(UNIQUE_COUNTS, text.encode(), str(minute).encode(), partition=0)
    producer.flush()


def at(point: str, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something when a flush is at this point, once."""
    done: list[str] = []

    def watch(reached: str) -> None:
        if reached == point and not done:
            done.append(reached)
            act()

    monkeypatch.setattr(steps, "watchers", [watch])


def test_each_record_says_whose_it_is(first: System) -> None:
    first.publish(1)
    with PublishedLog() as log:
        last = log.last()
    assert last
    assert last.record.tally == PublishingState(first.store.client).identity() != ""


def test_a_redis_keeps_its_name(first: System, second: System) -> None:
    names = [
        PublishingState(first.store.client).identify(),
        PublishingState(first.store.client).identify(),
        PublishingState(second.store.client).identify(),
    ]
    assert names[0] == names[1] != names[2]


def test_a_second_one_stops_and_loses_nothing_while_the_first_goes_on(three: list[System]) -> None:
    first, *others = three
    first.publish(1, 2)
    for n, other in enumerate(others, 1):
        other.accept(100 * n)
        other.end_minute()
    for _ in range(3):
        first.accept(1)
        first.end_minute()
        for other in others:
            halts(other, f"another Tally .{PublishingState(first.store.client).identity()}, up to")
        first.flush()
    for other in others:
        other.accept(500)
    verify_each([(each.calls, each.client) for each in three])
    assert first.waiting() == Counter()


def test_one_that_stops_fences_nobody(first: System, second: System, monkeypatch: pytest.MonkeyPatch) -> None:
    first.publish(1)
    second.accept(2)
    first.accept(3)
    minute = first.end_minute()
    at("6b.commit.before", lambda: halts(second, "another Tally"), monkeypatch)
    assert first.flush() == [minute]


@pytest.mark.parametrize("point", ["2.init.before", "6b.begin.before", "6b.commit.before"])
def test_of_two_new_ones_at_once_one_publishes(
    first: System, second: System, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fence puts them in order: who is fenced, or comes later, finds the other's record."""
    second.accept(2)
    minute = second.end_minute()
    first.store.seal(minute)
    PublishingState(first.store.client).begin_at(first.accept(1))
    first.end_minute()
    at(point, second.flush, monkeypatch)
    with suppress(Halt):  # where it was not fenced
        assert first.flush() == []
    halts(first, "another Tally")
    assert [row[0] for row in unique_counts()] == [str(minute)]
    verify_each([(each.calls, each.client) for each in (first, second)])


def fences(kind: str) -> float:
    """How many there were so far."""
    [family] = metrics.OVERTAKEN.collect()
    return sum(each.value for each in family.samples if each.labels.get("kind") == kind)


def test_a_fence_from_elsewhere_is_told_from_one_of_our_own(
    first: System, second: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fence() -> None:
        with Transaction(lambda: None) as transaction:
            transaction.init()

    def overtake() -> None:
        first.client.delete("tally:flush")
        fence()

    for act, kind in ((fence, "fenced_from_elsewhere"), (overtake, "lease_lost")):
        before = fences(kind)
        first.accept(1)
        first.end_minute()
        at("6b.commit.before", act, monkeypatch)
        assert first.flush() == []
        assert fences(kind) == before + 1


def test_a_leftover_of_a_minute_that_another_has_published_stays(first: System, second: System) -> None:
    minute = first.publish(1)
    second.take_over("--yes")
    second.publish(10)
    leave_behind(second, minute, 7)
    halts(second, f"{minute}, which waits here, and its record is another Tally's")


def leave_behind(system: System, minute: Minute, id: int) -> None:
    """A call of that minute in its Redis, however it came there."""
    client = system.client
    client.set(f"{minute}_{id}", 1)
    client.rpush(f"tally:ids:{minute}", id)
    client.hset(f"tally:stats:{minute}", mapping={"unique": 1, "total": 1})
    client.zadd("tally:pending", {str(minute): str(minute)})


def test_a_leftover_whose_record_is_not_there_stays(first: System) -> None:
    first.publish(1)
    leave_behind(first, EARLIER, 7)
    halts(first, f"{EARLIER}, which waits here, and its record is not there")


def test_a_leftover_far_back_is_found_behind_aborted_transactions(first: System) -> None:
    minute = first.publish(1)
    for n in range(30):
        with Transaction(lambda: None) as transaction:
            transaction.init()
            transaction.begin()
        first.publish(n)
    leave_behind(first, minute, 1)
    first.flush()
    assert first.waiting() == Counter()
    assert len(unique_counts()) == 31


def test_an_old_backup_is_settled_by_the_records_of_its_redis(first: System) -> None:
    first.accept(1)
    first.end_minute()
    backup = first.backup()
    first.flush()
    first.restore(backup)
    first.flush()
    first.publish(3)
    assert first.waiting() == Counter()
    verify_each([(first.calls, first.client)])


def test_records_from_before_they_had_names_are_ours(first: System) -> None:
    """Those of an upgrade, and of a way back to the version before; a leftover's, too."""
    minute = first.publish(1)
    first.accept(2)
    first.end_minute()
    send(minute + 1, Stats(1, 1))
    assert first.flush() == []
    assert first.waiting() == Counter()
    first.publish(3)
    assert [row[0] for row in unique_counts()] == [str(minute + n) for n in range(3)]


def test_an_emptied_redis_goes_on_behind_records_without_names(first: System) -> None:
    minute = Minute.at(clock.now(first.store.client)) - 1
    send(minute, Stats(0, 0))
    first.publish(3)
    assert unique_counts() == [(str(minute), 0, 0), (str(minute + 1), 1, 1)]


def test_the_topic_is_handed_over_and_the_one_before_stops(first: System, second: System) -> None:
    published = first.publish(1)
    second.accept(2)
    [minute] = second.store.pending()
    late = [str(minute)] if minute <= published else []
    facts = second.take_over("--yes", "--carry")
    assert facts == {
        "last_published": str(published),
        "from": PublishingState(first.store.client).identity(),
        "late": late,
    }
    second.end_minute()
    assert second.flush()[0] == published + 1
    first.accept(3)
    first.end_minute()
    halts(first, "another Tally")
    with pytest.raises(CommandError, match="already"):
        second.take_over("--yes")
    verify_each([(each.calls, each.client) for each in (first, second)])


def test_whoever_is_alive_after_all_stops_the_one_that_took_over(first: System, second: System) -> None:
    first.publish(1)
    second.accept(2)
    second.take_over("--yes", "--carry")
    first.publish(3)
    halts(second, "another Tally")


def test_late_calls_are_not_guessed_about(first: System, second: System) -> None:
    first.publish(1)
    second.accept(2)
    with pytest.raises(CommandError, match="--carry"):
        second.take_over("--yes")
    halts(second, "another Tally")
    second.take_over("--yes", "--drop")
    second.publish(3)
    assert 2 not in {id for counts in id_counts().values() for id in counts}


def test_late_calls_count_in_the_present_minute(first: System, second: System) -> None:
    first.publish(1)
    second.accept(*range(2500), 7, 7)
    second.take_over("--yes", "--carry")
    second.publish(7, 9000)
    assert unique_counts()[-1][1:] == (2501, 2504)
    verify_each([(each.calls, each.client) for each in (first, second)])


def test_late_calls_never_come_into_a_sealed_minute(first: System, monkeypatch: pytest.MonkeyPatch) -> None:
    first.accept(1, 2, 2)
    minute = first.end_minute()
    present, homes = CountStore.present, iter([minute])
    monkeypatch.setattr(CountStore, "present", lambda store: next(homes, None) or present(store))
    late.carry(first.client, [minute], first.store.buckets)
    assert first.waiting() == Counter({1: 1, 2: 2})
    assert minute not in first.store.pending()


def test_calls_of_a_minute_that_is_not_sealed_are_not_late(first: System) -> None:
    minute = first.accept(1)
    with pytest.raises(ResponseError, match="NOTSEALED"):
        late.carry(first.client, [minute], first.store.buckets)
    assert first.waiting() == Counter({1: 1})


def test_it_asks(first: System, second: System, monkeypatch: pytest.MonkeyPatch) -> None:
    first.publish(1)
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    with pytest.raises(CommandError, match="nothing was changed"):
        second.take_over("--drop")
    halts(second, "another Tally")


def test_there_is_nothing_to_take_over(first: System) -> None:
    with pytest.raises(CommandError, match="no record"):
        first.take_over("--yes")
    first.publish(1)
    with pytest.raises(CommandError, match="already"):
        first.take_over("--yes")
