"""SIGTERM to the web server, whenever it comes: what is under way is answered first, and then it ends."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP, SIGTERM

import httpx
import psutil
import pytest
import redis

from counter.accepting.accept_call import PATH
from counter.store.counts import CountStore
from embedded.ports import free_port
from tests.support.callers.load import Load
from tests.support.checker import verify_waiting
from tests.support.processes import HOME, Process, ServerProcess, run, wait_until
from tests.support.programs import tally

CALLS = 50


@dataclass
class Web:
    """A web server, on its way."""

    process: Process
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30)

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def started(self) -> int:
        """How many workers were, so far."""
        return self.process.output.count('"worker started"')

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def starting(*options: str) -> Iterator[Web]:
    """As `bin/tally` starts it."""
    port = free_port()
    process = tally("web", *options, log=HOME / f"web-{port}.log", env={"PORT": str(port)})
    with run(process):
        yield Web(process, port)


def answer(caller: socket.socket) -> str:
    return caller.recv(1000).decode().rpartition("\r\n")[2]


def test_calls_under_way_are_answered(store: CountStore, valkey_process: ServerProcess) -> None:
    with starting("--workers=1") as web, ExitStack() as stack:
        wait_until(web.is_ready, "accepting")
        callers = [stack.enter_context(web.connect()) for _ in range(CALLS)]
        valkey_process.send(SIGSTOP)
        try:
            for id, caller in enumerate(callers):
                caller.sendall(f"GET {PATH}?id={id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            web.get("/healthz")  # it came after them, so they have been read
            web.process.send(SIGTERM)
            wait_until(lambda: "stopping" in web.process.output, "the server stops")
        finally:
            valkey_process.send(SIGCONT)
        answers = [answer(caller) for caller in callers]
        assert web.process.wait() == 0
    assert set(answers) <= {"ok", "failed"}
    counted = sum(stats.total for stats in store.stats(store.pending()))
    assert answers.count("ok") <= counted <= CALLS


def test_no_acknowledged_call_is_lost_under_load(valkey: redis.Redis) -> None:
    with starting() as web:
        wait_until(web.is_ready, "accepting")
        with Load(web.url) as load:
            load.wait_for(10 * CALLS)
            assert web.process.stop() == 0
    verify_waiting(load.calls, valkey)


@pytest.mark.slow
@pytest.mark.usefixtures("valkey_process")
def test_a_worker_that_does_not_end_is_killed() -> None:
    with starting() as web:
        wait_until(web.is_ready, "accepting")
        psutil.Process(web.process.pid).children()[0].suspend()
        assert web.process.stop() == 0


@pytest.mark.usefixtures("valkey_process")
def test_it_ends_also_while_its_workers_start() -> None:
    with starting() as web:
        wait_until(lambda: web.started() == 2, "they start")
        assert web.process.stop() == 0
