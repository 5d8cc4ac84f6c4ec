"""A connection costs nothing, and can't stop others: limits of time, number, memory and descriptors."""

import hashlib
import inspect
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from signal import SIGCONT, SIGKILL, SIGSTOP

import httpx
import psutil
import pytest
import redis
from uvicorn.protocols.http import flow_control, httptools_impl

from counter.accepting.accept_call import PATH
from counter.accepting.http.connections import MAX_TURNED_AWAY, SPARE_DESCRIPTORS, Limits
from embedded.ports import free_port
from tests.support.callers.raw import call, calling, get
from tests.support.processes import HOME, LAUNCHER, Process, ServerProcess, run, wait_until
from tests.support.programs import tally
from tests.support.servers.protocol_server import bounded

NEVER = 1000.0
PATIENT = {"idle": NEVER, "head": NEVER, "body": NEVER, "write": NEVER, "linger": NEVER}
HALF_HEAD = f"GET {PATH}?id=1 HTTP/1.1\r\nHost: local".encode()
HALF_BODY = get("/", "Content-Length: 10") + b"12345"
HALF_CALL = call(1, "Content-Length: 10", method="POST", body=b"12345")

pytestmark = pytest.mark.usefixtures("valkey")

SWEEPS_SECONDS = 0.3
"""For connections to be looked at more than once, and less than a call may take."""

UVICORN = "ea814cf4"
"""Of the module whose class is built upon. When it changes: read what has, then set this."""


def test_uvicorns_protocol_class_is_the_one_that_was_built_upon() -> None:
    source = inspect.getsource(httptools_impl) + inspect.getsource(flow_control)
    assert hashlib.sha256(source.encode()).hexdigest()[:8] == UVICORN


@contextmanager
def patient(**limits: float) -> Iterator[str]:
    """A server with these limits, and no others of time."""
    with bounded(Limits(**(PATIENT | limits))) as url:  # type: ignore[arg-type]
        yield url


def answer_of(url: str) -> bytes:
    """Of a call of another caller."""
    with calling(url) as caller:
        caller.send(call(1))
        return caller.answer().body


@pytest.mark.parametrize("sent", [b"", call(1), get("/")], ids=["nothing", "a call", "a request"])
def test_an_idle_connection_is_closed(sent: bytes) -> None:
    with patient(idle=0.2) as url, calling(url) as caller:
        caller.send(sent)
        if sent:
            assert caller.answer().status == 200
        assert caller.is_closed()


@pytest.mark.parametrize(
    ("limit", "sent"),
    [("head", HALF_HEAD), ("head", call(2) + HALF_HEAD), ("body", HALF_BODY), ("body", HALF_CALL)],
    ids=["headers", "headers after a call", "a body", "a call's body"],
)
def test_what_comes_too_slowly_is_told_and_closed(limit: str, sent: bytes) -> None:
    with patient(**{limit: 0.2}) as url, calling(url) as caller:
        caller.send(sent)
        statuses = [answer.status for answer in caller.answers()]
        assert statuses == ([200] if sent.startswith(call(2)) else []) + [408]
        assert answer_of(url) == b"ok"


def test_a_caller_that_does_not_read_its_answers_is_cut_off() -> None:
    with patient(write=0.2) as url, calling(url) as caller:
        caller.socket.settimeout(0.5)
        with pytest.raises(OSError):  # noqa: PT011  (reset, or a broken pipe)
            for _ in range(100):
                caller.send(call(1) * 10_000)
        assert answer_of(url) == b"ok"


def test_a_request_that_is_under_way_is_not_too_slow(valkey_process: ServerProcess) -> None:
    with patient(idle=0.05, head=0.05, body=0.05) as url, calling(url) as caller:
        caller.send(call(1))
        assert caller.answer().status == 200
        valkey_process.send(SIGSTOP)
        begin = time.monotonic()
        caller.send(call(1) * 10)
        wait_until(lambda: time.monotonic() > begin + SWEEPS_SECONDS, "all limits of time are over")
        valkey_process.send(SIGCONT)
        assert [caller.answer().status for _ in range(10)] == [200] * 10


def test_however_many_wait_none_begins_inside_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as Python has no room for, which may be if a piece of what came were longer."""
    monkeypatch.setattr("counter.accepting.http.ordered_protocol.PIECE", 10**6)
    bad = f"GET {PATH} HTTP/1.1\r\n\r\n".encode()
    with patient() as url, calling(url) as caller:
        caller.send(call(1) + bad * 1000 + call(2))
        statuses = [caller.answer().status for _ in range(1002)]
    assert statuses == [200] + [400] * 1000 + [200]


def test_the_newest_is_turned_away_where_there_are_too_many() -> None:
    with patient(connections=3) as url, ExitStack() as stack:
        callers = [stack.enter_context(calling(url)) for _ in range(3)]
        for caller in callers:
            caller.send(call(1))
            assert caller.answer().body == b"ok"
        newest = stack.enter_context(calling(url))
        newest.send(call(1))
        answer = newest.answer()
        assert (answer.status, answer.body, answer.is_last) == (503, b"failed", True)
        assert answer.headers["Retry-After"] == "1"
        assert newest.is_closed()
        callers[0].socket.close()
        callers[0].close()
        wait_until(lambda: answer_of(url) == b"ok", "there is room again")
        callers[1].send(call(1))
        assert callers[1].answer().body == b"ok"


def test_of_too_many_that_are_turned_away_some_get_no_answer() -> None:
    with patient(connections=1) as url, ExitStack() as stack:
        caller = stack.enter_context(calling(url))
        many = [stack.enter_context(calling(url)) for _ in range(MAX_TURNED_AWAY + 20)]
        closed = [each.is_closed() for each in many[MAX_TURNED_AWAY:]]
        assert all(closed)
        caller.send(call(1))
        assert caller.answer().body == b"ok"


def test_memory_for_unfinished_bodies_is_bounded_for_all() -> None:
    half = get("/", "Content-Length: 100000") + bytes(50_000)
    with patient(held=1_000_000) as url, ExitStack() as stack:
        callers = [stack.enter_context(calling(url)) for _ in range(50)]
        for caller in callers:
            caller.send(half)
        assert callers[-1].answer().status == 503
        assert answer_of(url) == b"ok"
        for caller in callers:
            caller.socket.close()
            caller.close()
        wait_until(lambda: held_again(url), "what is gone holds nothing")


def held_again(url: str) -> bool:
    with calling(url) as caller:
        caller.send(get("/", "Content-Length: 500000") + bytes(500_000))
        return caller.answer().status == 200


def test_what_was_answered_holds_nothing() -> None:
    request = get("/", "Content-Length: 50000") + bytes(50_000)
    with patient(held=1_000_000) as url, calling(url) as caller:
        for _ in range(100):
            caller.send(request + call(1) * 10)
            assert [caller.answer().status for _ in range(11)] == [200] * 11


@contextmanager
def started(*options: str, **env: str) -> Iterator[tuple[Process, str]]:
    """The web server as `bin/tally` starts it."""
    port = free_port()
    process = tally("web", f"--port={port}", *options, log=HOME / f"connections-{port}.log", env=env)
    url = f"http://127.0.0.1:{port}"
    with run(process):
        wait_until(lambda: answers(url), "it answers")
        yield process, url


def answers(url: str) -> bool:
    try:
        return answer_of(url) == b"ok"
    except OSError:
        return False


def test_a_limit_of_descriptors_ends_in_refusals_not_in_spinning() -> None:
    limit = SPARE_DESCRIPTORS + 50
    port = free_port()
    script = f"ulimit -n {limit}; exec {LAUNCHER} web --workers=1 --port={port}"
    process = Process(["sh", "-c", script], HOME / "descriptors.log")
    url = f"http://127.0.0.1:{port}"
    with run(process), ExitStack() as stack:
        wait_until(lambda: answers(url), "it answers")
        caller = stack.enter_context(calling(url))
        many = [stack.enter_context(idle(url)) for _ in range(2 * limit)]
        caller.send(call(1))
        assert caller.answer().body == b"ok"
        assert b" 503 " in many[100].recv(100), "so many it has not descriptors for"
        [worker] = psutil.Process(process.pid).children()
        begin = sum(worker.cpu_times()[:2])
        time.sleep(1)
        assert sum(worker.cpu_times()[:2]) - begin < 0.3
        for each in many:
            each.close()
        wait_until(lambda: answers(url), "there is room again")


def idle(url: str) -> socket.socket:
    """A connection that says nothing."""
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def resident(process: Process) -> int:
    """Bytes of the workers' own."""
    return sum(worker.memory_full_info().uss for worker in psutil.Process(process.pid).children())


@pytest.mark.parametrize(
    ("connections", "halves", "rate"),
    [(1000, 200, 200), pytest.param(10_000, 2000, 5000, marks=pytest.mark.slow)],
)
def test_connections_that_say_nothing_stop_no_call(
    valkey: redis.Redis, connections: int, halves: int, rate: int
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with started() as (process, url), ExitStack() as stack:
            assert statuses_of(url, 200, seconds=1) == {200}  # what the first calls load is no connection's
            before = resident(process)
            for _ in range(connections):
                stack.enter_context(idle(url))
            wait_until(lambda: answers(url), "all are there")
            print(f"{(resident(process) - before) / connections / 1024:.1f} KB an idle connection")
            assert resident(process) - before < 10 * 1024 * connections
            for sent in (HALF_HEAD, HALF_BODY):
                for _ in range(halves):
                    stack.enter_context(idle(url)).sendall(sent)
            assert statuses_of(url, rate) == {200}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def statuses_of(url: str, rate: int, seconds: int = 3) -> set[int]:
    """Of calls at a constant rate over some connections."""
    with ExitStack() as stack:
        callers = [stack.enter_context(calling(url)) for _ in range(50)]
        statuses: set[int] = set()
        begin, sent = time.monotonic(), 0
        while sent < rate * seconds:
            for caller in callers:
                caller.send(call(1))
            statuses |= {caller.answer().status for caller in callers}
            sent += len(callers)
            time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
        return statuses


def test_workers_share_the_connections(valkey: redis.Redis) -> None:
    with started() as (process, url), ExitStack() as stack:
        for _ in range(200):
            caller = stack.enter_context(calling(url))
            caller.send(call(1))
            assert caller.answer().body == b"ok"
        counts = [len(worker.net_connections("tcp")) for worker in psutil.Process(process.pid).children()]
        assert min(counts) > 50, counts


def test_a_worker_that_dies_is_replaced_and_the_other_takes_its_callers(valkey: redis.Redis) -> None:
    with started() as (process, url):
        victim = psutil.Process(process.pid).children()[0]
        victim.kill()
        assert answer_of(url) == b"ok"
        wait_until(lambda: process.output.count("worker started") == 3, "another one is there")
        assert httpx.get(f"{url}/healthz").is_success


def test_workers_do_not_outlive_their_parent(valkey: redis.Redis) -> None:
    with started() as (process, _):
        workers = psutil.Process(process.pid).children()
        process.send(SIGKILL)
        wait_until(lambda: not any(worker.is_running() for worker in workers), "they have ended")
