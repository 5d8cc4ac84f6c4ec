"""The home of `make run`: any path works or is refused by name; nobody else reads it, or reaches the run."""

import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
import redis

from embedded import ports
from embedded.machine import memory
from embedded.system import CannotRunError, System
from tests.support.processes import START_SECONDS, run, wait_until
from tests.support.tally.web import migrate
from tests.support.tally.whole_system import Run

OTHERS = 0o077
ODD = "c++#?%20%s[x]*'&=~(a) $HOME {b}"


class Careless(Run):
    """Started by somebody whose umask keeps nobody out."""

    def launch(self) -> None:
        before = os.umask(0)
        try:
            super().launch()
        finally:
            os.umask(before)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careless]:
    folder = tmp_path_factory.mktemp("homes") / ODD
    folder.mkdir()
    system = Careless(folder, PROMETHEUS_MULTIPROC_DIR="")
    with run(system):
        wait_until(system.is_ready, f"it accepts calls, see {system.log}", START_SECONDS)
        yield system


def test_an_odd_path_is_a_home_and_everything_is_in_it(system: Careless) -> None:
    names = {path.name for path in system.home.iterdir()}
    assert {"tally.sqlite3", "metrics", "valkey", "kafka", "logs"} <= names
    assert list((system.home / "metrics").glob("*.db"))


def test_what_is_in_it_is_its_user_s_alone(system: Careless) -> None:
    for path in (system.home, *system.home.rglob("*")):
        assert not path.lstat().st_mode & OTHERS, path


def test_nothing_listens_but_on_loopback(system: Careless) -> None:
    listening = {
        connection.laddr.ip
        for process in system.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening
    for address in listening:  # Java writes IPv4 as IPv6
        found = ip_address(address)
        assert (getattr(found, "ipv4_mapped", None) or found).is_loopback, address


def test_valkey_has_a_bound_that_fits_the_machine(system: Careless) -> None:
    with redis.Redis(port=system.ports["REDIS_PORT"]) as client:
        assert 0 < int(client.info("memory")["maxmemory"]) <= memory() // 4


@pytest.mark.parametrize("character", [",", ";", '"', "\\", "\n", "é", " #"])
def test_a_path_that_no_server_could_use_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    monkeypatch.setenv("TALLY_HOME", str(tmp_path / f"a{character}b"))
    with pytest.raises(CannotRunError, match="TALLY_HOME is "):
        System()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_run_that_others_reach_says_so_unless_it_wants_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))
    assert not System().is_open
    monkeypatch.setenv("BIND_HOST", host)
    assert System().is_open
    monkeypatch.setenv("ACCEPT_TOKEN", "of callers")
    assert not System().is_open


def test_hosts_are_known_for_what_they_are() -> None:
    assert ports.is_loopback("localhost")
    assert ports.is_loopback("::1")
    assert not ports.is_loopback("0.0.0.0")
    assert ports.is_everywhere("::")


def test_a_database_of_manage_py_is_its_user_s_alone(tmp_path: Path) -> None:
    home = tmp_path / ODD
    before = os.umask(0)
    try:
        migrate(TALLY_HOME=str(home), PROMETHEUS_MULTIPROC_DIR="")
    finally:
        os.umask(before)
    database = home / "tally.sqlite3"
    assert database.stat().st_size
    assert not (database.stat().st_mode | home.stat().st_mode) & OTHERS
