"""HAProxy in front of two web servers, whatever happens to them: no call is lost, and none counts twice."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import redis

from counter.accepting.accept_call import PATH
from embedded.ports import free_port
from tests.support.access.certificates import Authority
from tests.support.callers.load import Load, kill_with_calls
from tests.support.checker import verify_waiting
from tests.support.processes import Process, ServerProcess, run, wait_until
from tests.support.servers.haproxy import HAProxy
from tests.support.tally import web as web_server
from tests.support.tally.web import WEB, metric

CLIENTS = 3
CALLS = 100
UP, DOWN = "UP", "DOWN"


class Front:
    """HAProxy, and what is behind it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.ports = {"web-1": free_port(), "web-2": free_port()}
        self.webs = {name: self.web(name) for name in self.ports}
        authority = Authority(home / "tls")
        self.tls = ssl.create_default_context(cafile=authority.ca.certificate)
        self.haproxy = HAProxy(home / "haproxy", self.ports, authority.sign("tally"))

    def web(self, name: str, **env: str) -> Process:
        metrics = self._home / name
        metrics.mkdir(exist_ok=True)
        env |= {"BEHIND_TLS": "true", "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        return web_server.web(WEB, self.ports[name], self._home / f"{name}.log", env)

    def load(self) -> Load:
        return Load(self.haproxy.url, CLIENTS, tls=self.tls)

    def caller(self) -> httpx.Client:
        return httpx.Client(base_url=self.haproxy.url, verify=self.tls)

    def status(self, name: str) -> int:
        """Of its `/readyz`; 0 while nobody listens."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[name]}/readyz").status_code
        except httpx.HTTPError:
            return 0

    def start(self, name: str) -> None:
        """Until it can accept, and HAProxy knows."""
        self.webs[name].start()
        wait_until(lambda: self.status(name) == 200, f"{name} is ready")
        self.wait(name, UP)

    def wait(self, name: str, state: str) -> None:
        wait_until(lambda: self.haproxy.state_of(name) == state, f"HAProxy finds {name} {state}")

    def accepted_by(self, name: str) -> float:
        return metric(f"http://127.0.0.1:{self.ports[name]}", "tally_accepted_calls_total")


@pytest.fixture(scope="module")
def running(valkey_process: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("front"))
    with ExitStack() as stack:
        for process in (*front.webs.values(), front.haproxy):
            stack.enter_context(run(process))
        yield front


@pytest.fixture
def front(running: Front, valkey: redis.Redis) -> Front:
    """Both web servers up. Whoever stops one starts it again."""
    for name, web in running.webs.items():
        if not web.is_running():
            running.start(name)
        running.wait(name, UP)
    return running


def test_the_configuration_is_valid(front: Front) -> None:
    assert front.haproxy.check() == ""


def test_calls_are_spread(front: Front, valkey: redis.Redis) -> None:
    before = {name: front.accepted_by(name) for name in front.webs}
    with front.load() as load:
        load.wait_for(CALLS)
    assert (load.calls.unknown.total(), load.refused) == (0, 0)
    verify_waiting(load.calls, valkey)
    assert all(front.accepted_by(name) > before[name] for name in front.webs)


def test_a_server_is_drained_and_restarted_and_no_call_is_refused(front: Front, valkey: redis.Redis) -> None:
    with front.load() as load:
        load.wait_for(CALLS)
        front.haproxy.drain("web-1")
        wait_until(lambda: front.haproxy.calls_of("web-1") == 0, "it has answered all that it had")
        before = front.accepted_by("web-1")
        load.wait_for(CALLS)
        assert front.accepted_by("web-1") == before
        assert front.webs["web-1"].stop() == 0
        front.webs["web-1"].start()
        wait_until(lambda: front.status("web-1") == 200, "it is ready")
        front.haproxy.ready("web-1")
        wait_until(lambda: front.accepted_by("web-1") > before, "it gets calls again")
    assert (load.calls.unknown.total(), load.refused) == (0, 0)
    verify_waiting(load.calls, valkey)


def test_a_server_that_dies_costs_no_more_than_the_calls_it_had(front: Front, valkey: redis.Redis) -> None:
    with front.load() as load:
        load.wait_for(CALLS)
        front.webs["web-1"].kill()
        front.wait("web-1", DOWN)
        load.wait_for(CALLS)
    assert load.calls.unknown.total() <= CLIENTS
    assert load.refused == 0
    verify_waiting(load.calls, valkey)


def test_a_call_that_finds_a_server_gone_goes_to_the_other(front: Front, valkey: redis.Redis) -> None:
    assert front.webs["web-1"].stop() == 0
    with front.caller() as caller:

        def is_answered_and_it_is_out() -> bool:
            assert caller.get(PATH, params={"id": 1}).text == "ok"
            return front.haproxy.state_of("web-1") == DOWN

        wait_until(is_answered_and_it_is_out, "HAProxy finds it gone")


def test_a_call_that_a_dead_server_had_is_not_sent_to_the_other(
    front: Front, valkey: redis.Redis, valkey_process: ServerProcess
) -> None:
    with front.load() as load:
        load.wait_for(CALLS)
        kill_with_calls(front.webs["web-1"], load, valkey_process)
        load.wait_for(CALLS)
    verify_waiting(load.calls, valkey)


def test_a_server_that_cannot_accept_is_out(front: Front, valkey: redis.Redis) -> None:
    assert front.webs["web-2"].stop() == 0
    front.wait("web-2", DOWN)
    with run(front.web("web-2", REDIS_BUCKETS="2")):  # it answers, and refuses every call
        wait_until(lambda: front.haproxy.check_of("web-2") == "L7STS", "it says that it can't accept")
        with front.load() as load:
            load.wait_for(CALLS)
    assert (load.calls.unknown.total(), load.refused) == (0, 0)
    verify_waiting(load.calls, valkey)


def test_with_nobody_left_the_answer_is_tallys_own(front: Front) -> None:
    for name, web in front.webs.items():
        assert web.stop() == 0
        front.wait(name, DOWN)
    with front.caller() as caller:
        answer = caller.get(PATH, params={"id": 1})
    assert (answer.status_code, answer.text) == (503, "failed")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_client_that_sends_too_much_is_told(front: Front) -> None:
    with front.caller() as caller:
        wide = caller.post("/api/v1/accept/", content=bytes(2**20 + 1))
        many = [caller.post("/api/v1/accept/", json={"ids": [1]}) for _ in range(6)]
    assert [answer.status_code for answer in (wide, many[0], many[-1])] == [413, 200, 429]
