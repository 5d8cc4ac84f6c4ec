"""What strangers may not do through both proxies: see closed paths, however written, or hold up others."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from counter.accepting.accept_call import PATH
from tests.support.access.certificates import Authority
from tests.support.callers.unfinished import Unfinished
from tests.support.processes import ServerProcess, run, wait_until
from tests.support.servers.haproxy import HAProxy
from tests.support.servers.nginx import Nginx
from tests.support.tally.web import serving

CLOSED = ("/healthz", "/readyz", "/metrics")
INSIDE = "10.9.9.9"
"""Who alone may see them in these tests: not the one who asks."""

OTHER = "127.0.0.2"
"""Another client than the one who asks."""

ATTACKERS, BODIES = 16, 1400
SLOW_SECONDS = 2.0
FEW = 20
"""Connections that a proxy keeps for calls and for its checks."""

PROXIES: dict[str, type[HAProxy] | type[Nginx]] = {"haproxy": HAProxy, "nginx": Nginx}


class Proxied:
    """A proxy in front of a web server, and what it says to raw requests."""

    def __init__(self, port: int, authority: Path) -> None:
        self.port = port
        self.authority = authority
        self._tls = ssl.create_default_context(cafile=authority)

    def connect(self, source: str = "127.0.0.1") -> ssl.SSLSocket:
        raw = socket.create_connection(("localhost", self.port), 30, (source, 0))
        return self._tls.wrap_socket(raw, server_hostname="localhost")

    def status(self, target: str, source: str = "127.0.0.1") -> int:
        with self.connect(source) as caller:
            caller.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return status_of(caller)

    def is_up(self) -> bool:
        try:
            return self.status("/nowhere") == 404
        except OSError:
            return False


def status_of(caller: ssl.SSLSocket) -> int:
    answer = caller.recv(1000)
    return int(answer.split(b" ")[1]) if answer else 0


@pytest.fixture(scope="module")
def web(valkey_process: ServerProcess) -> Iterator[str]:
    with serving(BEHIND_TLS="true", log="closed.log") as url:
        yield url


@pytest.fixture(scope="module", params=PROXIES)
def proxied(
    request: pytest.FixtureRequest, web: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    home = tmp_path_factory.mktemp("closed")
    authority = Authority(home / "tls")
    port = urlsplit(web).port or 0
    webs = {"web-1": port, "web-2": port}
    proxy = PROXIES[request.param](home / "proxy", webs, authority.sign("tally"), INSIDE)
    with run(proxy):
        proxied = Proxied(proxy.port, authority.ca.certificate)
        wait_until(proxied.is_up, "it leads to web")
        yield proxied


def spellings(path: str) -> Iterator[str]:
    """Of one path: each of its characters encoded, all of them, twice, and what else may mean the same."""
    encoded = [f"%{ord(character):02x}" for character in path]
    yield path
    for position, each in enumerate(encoded):
        yield ("/" if not position else "") + path[:position] + each + path[position + 1 :]
    yield "/" + "".join(encoded[1:])
    yield "/" + "".join(encoded[1:]).upper()
    yield "/" + "".join(f"%25{each[1:]}" for each in encoded[1:])
    yield from (
        f"/{path}",
        f"/.{path}",
        f"/x/..{path}",
        f"/x/%2e%2e{path}",
        f"{path}?x",
        f"{path}#x",
        f"{path};x",
    )
    yield from (
        f"{path}/",
        f"{path}%00",
        f"{path}%0a",
        f"{path}%20",
        f"https://localhost{path}",
        path.upper(),
    )


@pytest.mark.parametrize("path", CLOSED)
def test_no_spelling_opens_a_closed_path(proxied: Proxied, path: str) -> None:
    for target in spellings(path):
        assert proxied.status(target) in (400, 403, 404), target


def test_a_body_that_does_not_come_is_timed_out_before_web_hears_of_it(proxied: Proxied) -> None:
    begin = time.monotonic()
    with proxied.connect() as caller:
        caller.sendall(b"POST /api/v1/accept/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert status_of(caller) in (0, 408)
    assert time.monotonic() - begin < 20


def test_many_bodies_that_do_not_come_hold_up_nobody_else(proxied: Proxied, web: str) -> None:
    """Over HTTP/2, where a few connections carry hundreds of them; the one who calls is another client."""
    attackers = [Unfinished(proxied.port, proxied.authority) for _ in range(ATTACKERS)]
    for attacker in attackers:
        attacker.start()
    answers: list[int] = []
    heard: list[int] = []

    def is_over() -> bool:
        begin = time.monotonic()
        answers.append(proxied.status(f"{PATH}?id=1", OTHER))
        assert time.monotonic() - begin < SLOW_SECONDS
        heard.append(connections_to(web))
        return sum(attacker.begun for attacker in attackers) > BODIES

    try:
        wait_until(is_over, f"{BODIES} bodies were begun")
    finally:
        for attacker in attackers:
            attacker.stop()
    assert set(answers) == {200}
    assert max(heard) < FEW, "no unfinished body reaches web"
    assert sum(attacker.refused for attacker in attackers), "one client has a bound"


def connections_to(url: str) -> int:
    port = urlsplit(url).port
    found = psutil.net_connections("tcp")
    return sum(each.laddr[1:] == (port,) and each.status == psutil.CONN_ESTABLISHED for each in found)
