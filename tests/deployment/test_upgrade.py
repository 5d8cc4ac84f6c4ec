"""From the first release to what is here, part by part under load, and back: every count is exact."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis
from pytest_django import Settings

from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH
from embedded.ports import free_port
from project.celery import app
from tests.support.access.certificates import Authority
from tests.support.callers.load import Load
from tests.support.checker import Calls, verify
from tests.support.processes import ROOT, Process, run, wait_until
from tests.support.programs import tally
from tests.support.reading import unique_counts
from tests.support.servers.nginx import Nginx
from tests.support.tally.installed import Installed

RELEASE = ROOT / "tests" / "deployment" / "tally-1.0.0-py3-none-any.whl"
WEBS = ("web-1", "web-2")
PROGRAMS = {"worker": "worker", "web-1": "web", "beat": "beat", "web-2": "web"}
"""name -> its program, in the order in which they are upgraded"""

EVENT_PROGRAMS = {"consolidate": "consolidate"}
CALLS = 200
"""Between two steps"""

DRAIN_SECONDS = 180
"""In event mode a minute takes as long as it takes."""


class Part:
    """A program of either version: one of them runs."""

    def __init__(self, program: str, old: Installed, folder: Path, env: dict[str, str]) -> None:
        folder.mkdir()
        self.port = free_port()
        env = env | {"PORT": str(self.port), "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")}
        self._log = folder / "log"
        self._program = program
        self._starts: dict[str, Callable[[], Process]] = {
            "old": partial(old.program, program, self._log, env),
            "new": partial(tally, program, log=self._log, env=env),
        }
        self._running: Process | None = None

    def become(self, version: str) -> None:
        """Stop the one, and start the other; it is at work when this returns."""
        self.stop()
        self._running = self._starts[version]()
        self._running.start()
        wait_until(self._is_at_work, f"the {version} {self._program} is at work, see {self._log}")

    def stop(self) -> None:
        if self._running:
            assert self._running.stop() == 0
            self._log.rename(self._log.with_suffix(".before"))
        self._running = None

    def _is_at_work(self) -> bool:
        if self._program == "worker":
            return " ready." in self._log.read_text()
        return self._program != "web" or self._is_ready()

    def _is_ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).is_success
        return False


class System:
    """All that runs, in the order in which it is upgraded."""

    def __init__(self, folder: Path, valkey: redis.Redis, sink: str) -> None:
        self._valkey, self._sink = valkey, sink
        self._log = folder / "setup.log"
        self._env = {"ACCEPT_SINK": sink}
        self.old = Installed(RELEASE, folder)
        programs = PROGRAMS | (EVENT_PROGRAMS if sink == "kafka" else {})
        self.parts = {
            name: Part(program, self.old, folder / name, self._env) for name, program in programs.items()
        }
        authority = Authority(folder / "tls")
        self._tls = ssl.create_default_context(cafile=authority.ca.certificate)
        ports = {name: self.parts[name].port for name in WEBS}
        self.nginx = Nginx(folder / "nginx", ports, authority.sign("tally"))

    def load(self) -> Load:
        """Callers that come through nginx, with a connection for each call: it is reloaded meanwhile."""
        return Load(self.nginx.url, clients=2, tls=self._tls, headers={"Connection": "close"})

    def set_up(self, version: str) -> None:
        """What comes before the first of its programs."""
        setup = partial(self.old.program, "setup") if version == "old" else partial(tally, "setup")
        process = setup(log=self._log, env=self._env)
        process.start()
        assert process.wait() == 0, process.output

    def change(self, name: str, version: str, load: Load) -> None:
        """One of its programs, as docs/operations.md says it."""
        load.wait_for(CALLS)
        if name in WEBS:
            self.nginx.reload(down=[name])
            load.wait_for(CALLS)
        self.parts[name].become(version)
        if name in WEBS:
            self.nginx.reload()

    def end_minute(self) -> None:
        """End the present minute before its time, where calls alone say which it is; and send a tick."""
        store = CountStore.known(self._valkey)
        if self._sink == "redis" and (pending := store.pending()):
            if not store.sealed():
                PublishingState(store.client).begin_at(pending[0])
            store.seal(pending[-1])
        app.send_task(FLUSH)

    def verify(self, calls: Calls) -> None:
        """All of it is published, exactly."""

        def is_drained() -> bool:
            self.end_minute()
            published = sum(total for _, _, total in unique_counts())
            return published >= calls.ok.total() and not CountStore.known(self._valkey).pending()

        wait_until(is_drained, "all that was accepted is published", DRAIN_SECONDS)
        verify(calls, self._valkey)


@pytest.fixture(params=["redis", "kafka"])
def system(
    request: pytest.FixtureRequest, valkey: redis.Redis, kafka: None, settings: Settings, tmp_path: Path
) -> Iterator[System]:
    """Of the release."""
    settings.ACCEPT_SINK = request.param
    system = System(tmp_path, valkey, request.param)
    system.set_up("old")
    with ExitStack() as stack:
        for part in system.parts.values():
            stack.callback(part.stop)
            part.become("old")
        stack.enter_context(run(system.nginx))
        yield system


@pytest.mark.slow
def test_part_by_part_and_back(system: System) -> None:
    assert system.old.version() == "1.0.0"
    with system.load() as load:
        system.set_up("new")
        for version in ("new", "old"):
            for name in system.parts:
                system.change(name, version, load)
                system.end_minute()
        load.wait_for(CALLS)
    assert (load.calls.unknown.total(), load.refused) == (0, 0)
    system.verify(load.calls)
