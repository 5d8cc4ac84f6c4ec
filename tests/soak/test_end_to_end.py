"""The main job: callers on one side, a consumer of Kafka on the other, and everything between them dies."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT
from threading import Event, Thread

import httpx
import pytest
import redis
from pytest_django import Settings

from counter.accepting.accept_call import PATH
from counter.minute import Minute
from counter.store.keys import WHOLE
from tests.support.checker import Calls, verify
from tests.support.processes import START_SECONDS, run, wait_until
from tests.support.programs import Program
from tests.support.tally.whole_system import PROGRAMS, Run, command_line

CALLERS = 4
PAUSE_SECONDS, BACK_OFF_SECONDS = 0.01, 0.05
IDS = 500


class Traffic:
    """Callers that never stop to call, whatever they are told; how often each id was answered with what."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = Event()
        self._calls = [Calls() for _ in range(CALLERS)]
        self._threads = [Thread(target=self._call, args=[calls]) for calls in self._calls]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, calls: Calls) -> None:
        id = 0
        with httpx.Client(base_url=self._url) as client:
            while not self._stop.is_set():
                id = (id * 31 + 7) % IDS
                try:
                    is_ok = client.get(PATH, params={"id": id}).text == "ok"
                except httpx.HTTPError:
                    is_ok = False
                (calls.ok if is_ok else calls.unknown)[id] += 1
                self._stop.wait(PAUSE_SECONDS if is_ok else BACK_OFF_SECONDS)

    @property
    def calls(self) -> Calls:
        calls = Calls()
        for each in self._calls:
            calls.update(each)
        return calls


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Run]:
    system = Run(tmp_path)
    with run(system):
        wait_until(system.is_up, f"everything runs, see {system.log}", 180)
        yield system


def more(system: Run, name: str, *command: str) -> Program:
    """One more worker or beat beside those that the system has."""
    env = {
        "TALLY_HOME": str(system.home),
        "REDIS_URL": f"redis://127.0.0.1:{system.ports['REDIS_PORT']}/0",
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{system.ports['KAFKA_PORT']}",
    }
    return Program("celery", "-A", "project", *command, log=system.home / f"{name}.log", env=env)


def kill_one(system: Run, program: str) -> None:
    victim = next(process for process in system.processes() if program in command_line(process))
    victim.kill()
    wait_until(
        lambda: not victim.is_running() and system.is_up(),
        f"{program} is back, see {system.log}",
        START_SECONDS,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a parent's death")
def test_counts_stay_exact_whatever_dies_while_minutes_pass(system: Run, settings: Settings) -> None:
    url = f"http://127.0.0.1:{system.ports['PORT']}"
    settings.KAFKA_BOOTSTRAP_SERVERS = f"127.0.0.1:{system.ports['KAFKA_PORT']}"
    valkey = redis.Redis(port=system.ports["REDIS_PORT"])
    with Traffic(url) as traffic:
        first = Minute.at(time.time())
        with ExitStack() as besides:
            besides.enter_context(run(more(system, "worker-2", "worker", "--hostname", "second@%h")))
            besides.enter_context(run(more(system, "beat-2", "beat", "--pidfile=")))
            for program in PROGRAMS:
                kill_one(system, program)
        system.send_all(SIGINT)
        assert system.wait() == 0
        system.start()
        wait_until(system.is_up, f"everything runs again, see {system.log}", 180)
        wait_until(lambda: (first + 1).is_closed(time.time()), "two minutes have passed", 180)
    wait_until(lambda: not valkey.exists(WHOLE.pending), f"all is published, see {system.log}", 180)
    seen = verify(traffic.calls, valkey)
    assert len(seen.unique_counts) >= 2
    assert traffic.calls.ok.total() > 100
