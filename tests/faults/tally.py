"""Tally as its callers and its operators see it: calls go in, minutes end, flush tasks are sent."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from counter.minute import Minute
from counter.redis.clients import connect
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.lease import Lease
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH
from project.celery import app
from tasks.errors import Fenced, KafkaAway, StartOver
from tasks.publishing.flush import Flush
from tests.support.checker import Calls, verify
from tests.support.processes import HOME, wait_until
from tests.support.programs import Program

IDS = range(1100)
"""Two chunks of a settle."""


class Worker(Program):
    """A real Celery worker. Its points may be armed."""

    def __init__(self, name: str, *arguments: str) -> None:
        options = ("--without-gossip", "--without-mingle", "--without-heartbeat", *arguments)
        command = ("celery", "-A", "tests.faults.app", "worker", "-n", f"{name}@%h", *options)
        super().__init__(*command, log=HOME / f"{name}.log")
        self._begin = 0

    def start(self) -> None:
        self._begin = len(self.output) if self.log.exists() else 0
        super().start()

    def keep(self) -> None:
        """Start it again if it has ended, as what supervises it would.

        One that loses Redis with a message in hand ends with an error of kombu's.
        """
        if not self.is_running():
            self.start()
            self.wait_ready()

    def wait_ready(self) -> None:
        wait_until(lambda: " ready." in self.output[self._begin :], f"a worker is ready, see {self.log}")


class Tally:
    """One system under test. Its minutes end when the test says so."""

    def __init__(self, valkey: redis.Redis, store: CountStore) -> None:
        self.valkey = valkey
        self.store = store
        self.calls = Calls()
        self.log: list[tuple[str, int, int]] = []
        """What unique-counts must hold when all that has ended is published."""
        self._client = connect()  # patient: the machine may be busy with other tests
        self._client.set_retry(Retry(NoBackoff(), 0))
        self._recorder = SyncWriter(self._client)
        self._minutes: dict[Minute, Counter[int]] = defaultdict(Counter)

    def close(self) -> None:
        """Hang up, as callers do."""
        self._client.close()

    def accept(self, *ids: int) -> Minute:
        """Calls that are answered `ok`; in which minute."""
        minute = self._recorder.record(ids).minute
        self.calls.ok.update(ids)
        self._minutes[minute].update(ids)
        return minute

    def end_minute(self) -> Minute:
        """End the minute of the last calls, as if the clock had; it may have ended one before by itself."""
        pending = self.store.pending()
        if not self.store.sealed():
            PublishingState(self.store.client).begin_at(pending[0])
        self.store.seal(pending[-1])
        ended = {minute for minute, _, _ in self.log}
        for minute in pending:
            if str(minute) not in ended:
                counts = self._minutes[minute]
                self.log.append((str(minute), len(counts), counts.total()))
        return pending[-1]

    def end_two_minutes(self) -> None:
        """One of two chunks, and a small one."""
        self.accept(*IDS[:600])
        self.accept(*IDS[500:])
        self.end_minute()
        self.accept(1, 1, 2)
        self.end_minute()

    def send_flush(self) -> None:
        """A tick."""
        app.send_task(FLUSH)

    def break_lease(self) -> None:
        """Let the next flusher in at once, instead of when a dead one's lease has run out."""
        self.valkey.delete(keys.LOCK)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """No flush is under way meanwhile: a worker's first, or one of those that others have sent."""
        lease = Lease(self.store.client)
        wait_until(lease.take, "nobody flushes")
        yield
        lease.release()

    def wait_settled(self, last: Minute | None = None) -> None:
        """Until nothing that has ended, `last` at last, is left in Redis, and nobody works on it."""
        last = last or Minute.parse(self.log[-1][0])
        wait_until(
            lambda: self.store.settled() == last and not self.valkey.exists(keys.LOCK),
            f"{last} is settled",
        )

    def flush(self) -> None:
        """A tick, and all that follows from it."""
        self.send_flush()
        self.wait_settled()

    def flush_to_the_end(self) -> None:
        """As ticks do, in this process: again and again."""

        def settled() -> bool:
            with suppress(KafkaAway, StartOver, Fenced):
                Flush(self.store.client).run()
            return self.store.settled() == self.store.sealed()

        wait_until(settled, "all is published")

    def forget(self, last: Minute) -> None:
        """Expect no more of what was published up to there: it went with its topic."""
        for minute in [minute for minute in self._minutes if minute <= last]:
            self.calls.ok -= self._minutes.pop(minute)
        self.log = [row for row in self.log if row[0] > str(last)]

    def counts(self) -> set[bytes]:
        """The names of all counts in Redis."""
        return set(self.valkey.scan_iter("*[0-9]_[0-9]*"))

    def verify(self) -> None:
        """Every promise, and the log that there would be without any fault."""
        assert verify(self.calls, self.valkey).unique_counts == self.log


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
