"""`make run`, that is `python -m embedded`: starts everything, restarts what dies, leaves nothing behind.

That each program comes back, and no orphan stays, is a part of tests/soak/test_end_to_end.py.
"""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from embedded.ports import why_foreign
from embedded.system import System
from tests.support.processes import START_SECONDS, run, wait_until
from tests.support.tally.whole_system import Run, are_gone

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells children of a parent's death"
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    system = Run(tmp_path_factory.mktemp("run"))
    with run(system):
        yield system


@pytest.fixture
def system(shared: Run) -> Run:
    """One that is up. Who stops or kills something of it need not start it again."""
    if not shared.is_running():
        shared.start()
    wait_until(shared.is_up, f"everything runs, see {shared.log}", START_SECONDS)
    return shared


@pytest.mark.parametrize("program", ["tally web", pytest.param("tally worker", marks=pytest.mark.slow)])
def test_a_child_that_is_killed_comes_back(system: Run, program: str) -> None:
    *_, child = system.processes(program)
    child.kill()
    wait_until(lambda: not child.is_running() and system.is_up(), f"{program} is back, see {system.log}")


@pytest.mark.parametrize(("address", "host"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_it_answers_on_both_addresses_of_this_machine(system: Run, address: str, host: str) -> None:
    if why_foreign(address):
        pytest.skip(f"this machine has no address {address}")
    assert httpx.get(f"http://{host}:{system.ports['PORT']}/readyz").is_success


def test_a_second_run_in_the_same_home_is_refused(system: Run, tmp_path: Path) -> None:
    second = Run(tmp_path, TALLY_HOME=str(system.home))
    with run(second):
        assert second.wait() == 1
    assert second.output == f"Tally runs in {system.home} already: stop it, or set TALLY_HOME.\n"


@pytest.mark.parametrize("variable", ["PORT", "REDIS_PORT", "KAFKA_PORT"])
def test_a_busy_port_is_one_clear_line_and_nothing_starts(tmp_path: Path, variable: str) -> None:
    system = Run(tmp_path)
    port = system.ports[variable]
    with socket.create_server(("127.0.0.1", port)), run(system):
        assert system.wait() == 1
    assert system.output == f"Port {port}: Address already in use. Set {variable} to another one.\n"
    assert not (system.home / "supervisord.conf").exists()


@pytest.mark.parametrize("value", ["redis", "0", "65536"])
def test_what_is_no_port_is_one_clear_line(tmp_path: Path, value: str) -> None:
    system = Run(tmp_path, REDIS_PORT=value)
    with run(system):
        assert system.wait() == 1
    assert system.output == f"REDIS_PORT must be the number of a port, not {value!r}.\n"


def test_an_address_that_is_not_here_is_one_clear_line(tmp_path: Path) -> None:
    for host in ("nowhere.invalid", "192.0.2.1"):
        system = Run(tmp_path, BIND_HOST=host)
        with run(system):
            assert system.wait() == 1
        [line] = system.output.splitlines()
        assert line.startswith(f"BIND_HOST is {host!r}, which is no address of this machine (")
        system.log.unlink()


def test_a_home_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    system = Run(tmp_path)
    (tmp_path / "home").touch()
    with run(system):
        assert system.wait() == 1
    assert system.output.startswith(f"TALLY_HOME is {system.home}, where nothing can be written (")
    assert len(system.output.splitlines()) == 1


def test_ctrl_c_stops_everything_in_order_however_often_it_is_pressed(system: Run) -> None:
    processes = system.processes()
    said = len(system.output)  # also by programs that were killed, or lost their server
    system.send_all(signal.SIGINT)
    wait_until(lambda: not system.processes("tally web"), "web has stopped")
    system.send_all(signal.SIGINT)
    assert system.wait() == 0
    assert are_gone(processes)
    assert "Traceback" not in system.output[said:]
    log = (system.home / "logs" / "supervisord.log").read_text()
    assert log.rindex("stopped: worker") < log.rindex("stopped: valkey")


@pytest.mark.slow
def test_nothing_outlives_a_run_that_is_killed(system: Run) -> None:
    processes = system.processes()
    system.send(signal.SIGKILL)
    system.wait()
    wait_until(lambda: are_gone(processes), "everything has stopped")


def test_a_run_stops_at_once_while_it_starts(tmp_path: Path) -> None:
    system = Run(tmp_path)
    with run(system):
        wait_until(lambda: system.processes("kafka.Kafka"), "Kafka starts")
        processes = system.processes()
        assert system.stop() == 0
        assert are_gone(processes)
    assert "Traceback" not in system.output


@pytest.mark.slow
@pytest.mark.usefixtures("valkey", "kafka")
def test_servers_with_an_address_in_the_environment_are_used(tmp_path: Path) -> None:
    here = "127.0.0.1"
    redis_url = f"redis://{here}:{os.environ['REDIS_PORT']}/0"
    kafka = f"{here}:{os.environ['KAFKA_PORT']}"
    system = Run(tmp_path, REDIS_URL=redis_url, KAFKA_BOOTSTRAP_SERVERS=kafka)
    with run(system):
        wait_until(system.is_ready, f"it accepts calls, see {system.log}", START_SECONDS)
        assert not system.processes("valkey-server")
        assert not system.processes("kafka.Kafka")
        assert system.stop() == 0


def test_a_run_begins_without_the_metrics_of_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "TALLY_HOME": str(tmp_path),
        "REDIS_URL": "?",
        "KAFKA_BOOTSTRAP_SERVERS": "?",
    }.items():
        monkeypatch.setenv(name, value)
    old = tmp_path / "metrics" / "counter_1.db"
    old.parent.mkdir()
    old.touch()
    System().prepare()
    assert not old.exists()
