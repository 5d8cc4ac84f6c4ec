"""SIGTERM to the web server: what is under way is answered first."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from signal import SIGCONT, SIGSTOP, SIGTERM

import httpx
import pytest

from counter.accepting import PATH
from counter.store import CountStore
from embedded.ports import free_port
from tests.conftest import HOME
from tests.processes import BIN, Process, ServerProcess, run, wait_until

CALLS = 50


class Web(Process):
    """A web server with one worker."""

    def __init__(self) -> None:
        self.port = free_port()
        command = [str(BIN / "granian"), "--interface", "asgi", "--port", str(self.port)]
        super().__init__([*command, "project.asgi:application"], HOME / "web.log")

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def accepts(self) -> bool:
        try:
            return self.get(f"{PATH}?id=0").is_success
        except httpx.HTTPError:
            return False

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    with run(web):
        yield web


def answer(caller: socket.socket) -> str:
    return caller.recv(1000).decode().rpartition("\r\n")[2]


def test_calls_under_way_are_answered(web: Web, store: CountStore, valkey_process: ServerProcess) -> None:
    wait_until(web.accepts, "accepting")
    before = sum(stats.total for stats in store.stats(store.pending()))
    with ExitStack() as stack:
        callers = [stack.enter_context(web.connect()) for _ in range(CALLS)]
        valkey_process.send(SIGSTOP)
        try:
            for id, caller in enumerate(callers):
                caller.sendall(f"GET {PATH}?id={id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            web.get("/healthz")  # it came after them, so they have been read
            web.send(SIGTERM)
            wait_until(lambda: "Stopping worker" in web.output, "the server stops")
        finally:
            valkey_process.send(SIGCONT)
        answers = [answer(caller) for caller in callers]
    assert web.wait() == 0
    assert set(answers) <= {"ok", "failed"}
    counted = sum(stats.total for stats in store.stats(store.pending())) - before
    assert answers.count("ok") <= counted <= CALLS
