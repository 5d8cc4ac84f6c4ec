"""Several Tallies on one Kafka: each has a Redis of its own."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from django.core.management import call_command
from django.test import override_settings

from counter.ids import Id
from counter.minute import Minute
from counter.redis.clients import connect, connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from embedded.ports import free_port
from embedded.valkey import Valkey
from tasks.publishing.flush import Flush
from tests.support.checker import Calls
from tests.support.processes import ServerProcess, run


class System:
    """One of them, in this process. Its minutes end when the test says so."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls = Calls()
        with self.at_work():
            self.client: redis.Redis = connect()
            self.store = CountStore.known(self.client)
            self._recorder = SyncWriter(connect_for_accept())

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """This process belongs to it meanwhile."""
        with override_settings(REDIS_URL=self.url, CELERY_BROKER_URL=self.url):
            yield

    def accept(self, *ids: int) -> Minute:
        """Calls that are answered `ok`; in which minute."""
        self.calls.ok.update(ids)
        return self._recorder.record(ids).minute

    def end_minute(self) -> Minute:
        """As if the clock had."""
        pending = self.store.pending()
        if not self.store.sealed():
            PublishingState(self.store.client).begin_at(pending[0])
        self.store.seal(pending[-1])
        return pending[-1]

    def flush(self) -> list[Minute]:
        """Publish all that is over."""
        return Flush(self.store.client).run().published

    def publish(self, *ids: int) -> Minute:
        """A minute with these ids."""
        self.accept(*ids)
        minute = self.end_minute()
        assert self.flush()[-1:] == [minute]
        return minute

    def take_over(self, *options: str) -> dict[str, Any]:
        """An operator's word, and what it is answered."""
        out = io.StringIO()
        with self.at_work():
            call_command("take_over", *options, "--json", stdout=out, stderr=io.StringIO())
        return dict(json.loads(out.getvalue()))

    def forget(self) -> None:
        """Empty its Redis."""
        self.client.flushall()

    def backup(self) -> dict[bytes, bytes]:
        """What is in its Redis now."""
        return {key: self.client.dump(key) or b"" for key in self.client.scan_iter()}

    def restore(self, backup: dict[bytes, bytes]) -> None:
        """Put that back, in place of what is there."""
        self.forget()
        for key, value in backup.items():
            self.client.restore(key, 0, value)

    def waiting(self) -> Counter[Id]:
        """id -> count, of all minutes that wait in its Redis."""
        counts: Counter[Id] = Counter()
        for minute in self.store.pending():
            for chunk in self.store.counts(minute):
                counts.update(dict(chunk))
        return counts


@contextmanager
def systems(folder: Path, count: int) -> Iterator[list[System]]:
    """So many, each with a Valkey that is empty at first."""
    with ExitStack() as stack:
        valkeys = [Valkey(folder / f"valkey-{n}", free_port()) for n in range(count)]
        for valkey in valkeys:
            stack.enter_context(run(ServerProcess(valkey)))
        yield [System(valkey.url) for valkey in valkeys]
