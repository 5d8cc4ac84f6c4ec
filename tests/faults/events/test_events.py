"""Event mode under faults: real consolidators are killed, stopped and rebalanced, their servers die.

The records bring their times along, so that minutes end when the test says so; all else is as it runs. After
each test the checker looks at the counts, and the audit counts all minutes again.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from signal import SIGCONT, SIGSTOP

import pytest
import redis
from confluent_kafka import KafkaError, Message, Producer
from pytest_django import Settings

from counter.kafka.client import REQUESTS, client_config
from counter.kafka.requests import event, marker
from counter.minute import Minute
from counter.store.counts import CountStore
from counter.store.offsets import Progress
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH
from project.celery import app
from tasks.events.group import SESSION_MS, group
from tests.faults.tally import Worker
from tests.support.checker import Calls, verify
from tests.support.processes import HOME, Process, ServerProcess, run, wait_until
from tests.support.programs import Program
from tests.support.requests_topic import Requests
from tests.support.tally.audit import audit

pytestmark = pytest.mark.slow

IDS = 500
PARTITIONS = 3
PACE_SECONDS = 0.02
"""Between two times fifty calls: a slow machine must be able to count them, or its backlog grows."""

# It repeats until each event is there, and each is there once: so the outcome of all is known.
PRODUCER: dict[str, str | int | float | bool] = {
    "enable.idempotence": True,
    "message.timeout.ms": 120_000,
    "linger.ms": 5,
}


class Callers(threading.Thread):
    """Appends events without pause, in the present minute; remembers those that Kafka acknowledged."""

    def __init__(self, minute: Minute) -> None:
        super().__init__(daemon=True)
        self.first = self.minute = minute
        self.calls = Calls()
        self.partitions = PARTITIONS
        self._stopped = threading.Event()
        self._random = random.Random(1)
        self._lock = threading.Lock()
        self._producer = Producer(client_config() | PRODUCER)

    def run(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                for _ in range(50):
                    self._call(self._random.randrange(IDS))
            self._producer.poll(0)
            self._stopped.wait(PACE_SECONDS)

    def end_minute(self) -> None:
        """Every partition has a marker of the next one."""
        with self._lock:
            self.minute += 1
            for partition in range(self.partitions):
                self._append(partition, marker(self.minute), None)
        self._producer.flush()

    def use_added_partition(self) -> None:
        """As callers do that have heard of it."""
        with self._lock:
            self._producer.flush()
            self._producer = Producer(client_config() | PRODUCER)
            self.partitions += 1

    def end(self) -> None:
        """Call no more."""
        self._stopped.set()

    def stop(self) -> None:
        self.end()
        self.join()
        self._producer.flush()
        self.end_minute()

    def _call(self, id: int) -> None:
        value, key = event(id)
        self._append(id % self.partitions, value, key)

    def _append(self, partition: int, value: bytes, key: bytes | None) -> None:
        at = int(self.minute.start.timestamp() * 1000) + 30_000 * (key is not None)
        produce = partial(self._producer.produce, partition=partition, timestamp=at)
        while True:
            try:
                produce(REQUESTS, value, key, on_delivery=self._delivered)
            except BufferError:  # Kafka is away for longer than the client has room
                self._producer.poll(0.1)
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert not error, error
        if key := message.key():
            self.calls.ok[int(key)] += 1


class EventTally:
    """A system in event mode: callers, consolidators, a worker."""

    def __init__(self, stack: ExitStack, valkey: redis.Redis, topic: Requests) -> None:
        self.valkey, self.topic = valkey, topic
        self.store = CountStore.known(valkey)
        self.callers = Callers(Minute.at(time.time()) - 100)
        self._stack = stack
        self.consolidators = [self.another() for _ in range(2)]

    def another(self) -> Process:
        """A consolidator, that runs."""
        command = ("tests.support.tally.callers_times", "consolidate")
        process = Program(*command, log=HOME / "consolidate.log", env={"ACCEPT_SINK": "kafka"})
        self._stack.enter_context(run(process))
        return process

    @property
    def tally_id(self) -> str:
        return PublishingState(self.store.client).identity()

    def wait_progress(self, events: int = 500) -> None:
        """Until so many more events are counted."""
        wanted = self._counted() + events
        wait_until(lambda: self._counted() >= wanted, f"{events} more events are counted")

    def end_minute(self) -> None:
        """It, and a tick."""
        self.callers.end_minute()
        app.send_task(FLUSH)

    def verify(self, keep: Callable[[], None] = lambda: None) -> None:
        """All that was accepted is published, exactly, and the audit agrees. `keep` starts what has died."""
        self.callers.stop()
        last = self.callers.minute - 1
        self.topic.wait_counted(self.valkey)

        def is_settled() -> bool:
            if (settled := self.store.settled()) and settled >= last:
                return True
            keep()
            app.send_task(FLUSH)
            time.sleep(0.5)
            return False

        wait_until(is_settled, f"{last} is published")
        verify(self.callers.calls, self.valkey)
        status, text = audit(f"--since={self.callers.first}", f"--until={last}")
        assert status == 0, text

    def _counted(self) -> int:
        return sum(each.next for of in Progress.known(self.store.client).positions().values() for each in of)


@pytest.fixture
def events(valkey: redis.Redis, kafka: None, worker: Worker, settings: Settings) -> Iterator[EventTally]:
    settings.ACCEPT_SINK = "kafka"
    topic = Requests(PARTITIONS)
    with ExitStack() as stack:
        tally = EventTally(stack, valkey, topic)
        tally.callers.start()
        stack.callback(tally.callers.end)
        tally.wait_progress()
        yield tally


def test_kill_9_of_consolidators_under_load(events: EventTally) -> None:
    for n in range(3):
        events.wait_progress()
        events.consolidators[n % 2].kill()
        events.end_minute()
        events.consolidators[n % 2].start()
    events.wait_progress()
    events.verify()


def test_sigterm_hands_over_at_once(events: EventTally) -> None:
    wait_until(lambda: events.topic.members(group(events.tally_id)) == 2, "both are at work")
    for consolidator in events.consolidators:
        assert consolidator.stop() == 0
        assert events.topic.members(group(events.tally_id)) == 1, "it has left the group"
        events.wait_progress()
        events.end_minute()
        consolidator.start()
        wait_until(lambda: events.topic.members(group(events.tally_id)) == 2, "it is back")
    events.verify()


def test_a_stopped_consolidator_that_wakes_up_counts_nothing_twice(events: EventTally) -> None:
    for consolidator in events.consolidators:
        consolidator.send(SIGSTOP)
        events.end_minute()
        wait_until(
            lambda: events.topic.members(group(events.tally_id)) == 1, "the group believes that it is dead"
        )
        events.wait_progress(2000)
        consolidator.send(SIGCONT)
        events.wait_progress(2000)
    events.verify()


def test_rebalances_under_load(events: EventTally) -> None:
    for _ in range(3):
        another = events.another()
        events.wait_progress()
        events.end_minute()
        another.stop()
        events.wait_progress()
    events.verify()


def test_a_partition_is_added_under_load(events: EventTally) -> None:
    events.topic.add_partition()
    events.end_minute()
    events.wait_progress()
    events.callers.use_added_partition()
    events.end_minute()
    events.wait_progress()
    events.verify()


@pytest.mark.parametrize("server", ["kafka_process", "valkey_process"])
def test_a_server_is_killed_under_load(
    events: EventTally, server: str, request: pytest.FixtureRequest, worker: Worker
) -> None:
    process: ServerProcess = request.getfixturevalue(server)
    for _ in range(2):
        events.wait_progress()
        process.kill()
        process.start()
        worker.keep()
        events.end_minute()
    events.wait_progress()
    events.verify(worker.keep)


def test_the_groups_offsets_are_garbage(events: EventTally) -> None:
    for commit in (0, 10**9):
        for consolidator in events.consolidators:
            consolidator.kill()
        is_committed = partial(events.topic.commit, group(events.tally_id), 0, commit)
        wait_until(is_committed, "nobody is left in the group")
        for consolidator in events.consolidators:
            consolidator.start()
        events.end_minute()
        events.wait_progress()
    events.verify()


@pytest.mark.parametrize("seed", range(3))
def test_all_of_it_at_random(
    events: EventTally,
    seed: int,
    kafka_process: ServerProcess,
    valkey_process: ServerProcess,
    worker: Worker,
) -> None:
    chance, faults = random.Random(seed), Counter[str]()
    while faults.total() < 20:
        fault = chance.choice(["kill", "stop", "end", "kafka", "valkey"])
        victim = chance.choice(events.consolidators)
        faults[fault] += 1
        match fault:
            case "kill":
                victim.kill()
                victim.start()
            case "end":
                victim.stop()
                victim.start()
            case "stop":
                victim.send(SIGSTOP)
                time.sleep(chance.uniform(0, 1.5 * SESSION_MS / 1000))
                victim.send(SIGCONT)
            case "kafka" | "valkey":
                process = kafka_process if fault == "kafka" else valkey_process
                process.kill()
                process.start()
                worker.keep()
        events.end_minute()
        time.sleep(chance.uniform(0, 2))
    events.wait_progress()
    events.verify(worker.keep)
