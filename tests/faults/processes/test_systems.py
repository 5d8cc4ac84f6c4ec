"""Several whole systems on one Kafka, by no more than an address: one publishes, the others lose nothing."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pytest_django import Settings

from counter.accepting.accept_call import PATH
from counter.store import keys
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH
from project.celery import app
from tests.support.checker import Calls, verify_each
from tests.support.processes import run, wait_until
from tests.support.programs import tally
from tests.support.reading import writers
from tests.support.requests_topic import Requests
from tests.support.tally.systems import System, systems
from tests.support.tally.web import metric, serving

WHY = "unique-counts is written by another Tally"
CALLS = 6


class Running(System):
    """With a web server, a worker, and in event mode a consolidator of its own."""

    def __init__(self, url: str, folder: Path, sink: str) -> None:
        super().__init__(url)
        self._folder, self.sink = folder, sink
        self._ids = itertools.count(int(url.rpartition(":")[2].partition("/")[0]) * 1_000_000)
        self._stack = ExitStack()

    def start(self) -> None:
        """All of it."""
        env = {"REDIS_URL": self.url, "CELERY_BROKER_URL": self.url, "ACCEPT_SINK": self.sink}
        programs = ["worker", "consolidate"] if self.sink == "kafka" else ["worker"]
        for name in programs:
            self._stack.enter_context(run(tally(name, log=self._folder / name, env=env)))
        self._web = self._stack.enter_context(serving("asgi", 1, f"web-{self._folder.name}.log", **env))

    def stop(self) -> None:
        """All but its Valkey."""
        self._stack.close()

    def call(self) -> None:
        """Some calls that no other system has; what is not answered `ok` may have counted."""
        for id in itertools.islice(self._ids, CALLS):
            answer = httpx.get(f"{self._web}{PATH}?id={id}")
            (self.calls.ok if answer.text == "ok" else self.calls.unknown)[id] += 1

    def tick(self) -> None:
        """The minute ends, and its worker hears of it."""
        if self.store.pending():
            self.end_minute()
        with app.connection_for_write(self.url) as connection:
            app.send_task(FLUSH, connection=connection)

    def is_idle(self) -> bool:
        """Whether all that has ended is published, and nobody flushes."""
        return self.store.settled() == self.store.sealed() and not self.client.exists(keys.LOCK)

    def says_why(self) -> bool:
        """Everywhere that one may look."""
        problems = httpx.get(f"{self._web}/readyz").text
        return (
            WHY in (PublishingState(self.store.client).halted() or "")
            and WHY in problems
            and metric(self._web, "tally_publishing_halted") == 1
            and WHY in (self._folder / "worker").read_text()
        )

    def is_well(self) -> bool:
        """Whether it says so."""
        return (
            not PublishingState(self.store.client).halted()
            and metric(self._web, "tally_publishing_halted") == 0
        )


@pytest.fixture(params=["redis", pytest.param("kafka", marks=pytest.mark.slow)])
def three(
    request: pytest.FixtureRequest,
    kafka: None,
    database: None,
    settings: Settings,
    tmp_path: Path,
) -> Iterator[list[Running]]:
    """None of them has been started."""
    settings.ACCEPT_SINK = request.param
    if request.param == "kafka":
        Requests(timestamps="LogAppendTime")
    with systems(tmp_path, 3) as made, ExitStack() as stack:
        three = [Running(each.url, tmp_path / f"system-{n}", request.param) for n, each in enumerate(made)]
        for n, each in enumerate(three):
            (tmp_path / f"system-{n}").mkdir()
            stack.callback(each.stop)
        yield three


def pass_minutes(running: list[Running], owner: Running, minutes: int = 3) -> None:
    """Minutes of calls to all of them; the owner publishes its own, and in event mode all."""
    for _ in range(minutes):
        for each in running:
            each.call()
        wait_until(owner.store.pending, "calls are counted")
        for each in running:
            each.tick()
        wait_until(owner.is_idle, "the owner has published the minute")


def verify_all(three: list[Running], owner: Running) -> None:
    """In event mode the calls of all are events of one topic, which its owner counts."""
    told = [(each.calls, each.client) for each in three]
    if owner.sink == "kafka":
        calls = Calls()
        for each, _ in told:
            calls.ok.update(each.ok)
            calls.unknown.update(each.unknown)
        told = [(calls, owner.client)]
    verify_each(told)


@pytest.mark.slow
def test_one_after_the_other_and_one_stops_and_comes_back(three: list[Running]) -> None:
    first, second, third = three
    first.start()
    pass_minutes([first], first)
    second.start()
    pass_minutes([first, second], first)
    wait_until(second.says_why, "the second says why")
    first.stop()
    third.start()
    for each in (second, third):
        each.call()
        each.tick()
        wait_until(each.says_why, "none takes over by itself")
    second.stop()
    first.start()
    second.start()
    pass_minutes(three, first)
    wait_until(lambda: second.says_why() and third.says_why(), "they still say why")
    assert first.is_well()
    verify_all(three, first)
    assert set(writers().values()) == {PublishingState(first.store.client).identity()}


def test_all_at_once(three: list[Running]) -> None:
    for each in three:
        each.start()
    for each in three:
        each.call()
    for each in three:
        wait_until(each.store.pending, "its calls are counted")
    for each in three:
        each.tick()
    wait_until(writers, "one has published")
    [name] = set(writers().values())
    [owner] = [each for each in three if PublishingState(each.store.client).identity() == name]
    others = [each for each in three if each is not owner]
    pass_minutes(three, owner)
    wait_until(lambda: all(each.says_why() for each in others), "the others say why")
    assert owner.is_well()
    verify_all(three, owner)
