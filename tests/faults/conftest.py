import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from counter.redis.clients import connect
from counter.store.counts import CountStore
from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.faults.points import Faults
from tests.faults.tally import Tally, Worker
from tests.support.processes import HOME, RUNNING, ServerProcess, run
from tests.support.reset import empty, new_topics
from tests.support.tally.web import migrate


@pytest.fixture(scope="session")
def database() -> None:
    """The database that processes write the history into; the test's own is another one."""
    migrate()


@pytest.fixture(scope="session")
def faults() -> Faults:
    folder = HOME / "faults"
    os.environ["TALLY_FAULTS"] = str(folder)
    return Faults(folder)


@pytest.fixture
def tally(valkey_server: ServerProcess, kafka_process: ServerProcess, faults: Faults) -> Iterator[Tally]:
    """Callers and flushes of an empty Tally.

    It is emptied while nobody flushes: a worker comes back to what it could not do in an earlier test, and
    would seal an empty Redis by the old topic.
    """
    with connect() as valkey, closing(Tally(valkey, CountStore.known(valkey))) as tally:
        with tally.undisturbed():
            empty(valkey)
        with tally.undisturbed():
            new_topics()
        yield tally
    faults.disarm()


@pytest.fixture(scope="package")
def worker_process(
    valkey_server: ServerProcess, kafka_process: ServerProcess, database: None, faults: Faults
) -> Iterator[Worker]:
    """A worker of two children, whose points can be armed; gone before other tests use the queues."""
    worker = Worker("worker", "--concurrency=2")
    with run(worker):
        worker.wait_ready()
        yield worker


@pytest.fixture
def worker(worker_process: Worker) -> Worker:
    """The worker of these tests. Whoever stops it starts it again."""
    worker_process.keep()
    return worker_process


@pytest.fixture
def no_worker() -> None:
    """No worker of an earlier test: it would come back to what it could not do then."""
    for process in RUNNING:
        if isinstance(process, Worker) and process.is_running():
            process.kill()


@pytest.fixture
def valkey(no_worker: None, valkey: redis.Redis) -> redis.Redis:
    """The same, to which no worker comes back."""
    return valkey


@pytest.fixture
def kafka(no_worker: None, kafka: None) -> None:
    """The same, to which no worker comes back."""


@pytest.fixture
def own_valkey(settings: Settings, tmp_path: Path) -> Iterator[ServerProcess]:
    """A Valkey of the test alone, where calls and flushes of this process go.

    It also starts with a file whose tail a kill has torn, in the middle of a write that was not acknowledged.
    """
    valkey = Valkey(tmp_path / "valkey", free_port(), {"aof-load-truncated": "yes"})
    settings.REDIS_URL = valkey.url
    process = ServerProcess(valkey)
    with run(process):
        yield process
