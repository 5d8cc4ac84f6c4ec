"""Real processes for tests: started, waited for, killed, and never left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Protocol

DEADLINE_SECONDS = 120
START_SECONDS = 180
"""For a server: a Java on a machine with much else to do."""

POLL_SECONDS = 0.02
BIN = Path(sys.executable).parent
HOME = Path(os.environ["TALLY_HOME"])
"""Where this test process, and what it starts, keeps its data and its logs."""

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / "bin" / "tally"


class Server(Protocol):
    """An embedded Valkey or Kafka."""

    home: Path

    @property
    def command(self) -> list[str]: ...
    def prepare(self) -> None: ...
    def is_ready(self) -> bool: ...


class Handle(Protocol):
    """What `Popen` has of a process."""

    pid: int

    def poll(self) -> int | None: ...
    def send_signal(self, number: int, /) -> None: ...
    def wait(self, seconds: float, /) -> int: ...


def wait_until(holds: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Return as soon as `holds()` is true; fail, saying `what` did not happen, after `seconds`."""
    begin = asked = time.monotonic()
    while not holds():
        answered = time.monotonic()
        assert answered - begin < seconds, f"waited {seconds:.0f} seconds in vain: {what}"
        # What takes long to ask is asked less often: it keeps the machine from what is waited for.
        time.sleep(max(POLL_SECONDS, answered - asked))
        asked = time.monotonic()


class Process:
    """One process in a group of its own, with its output in `log`."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self._command = command
        self._env = os.environ | (env or {})
        self.log = log

    def launch(self) -> None:
        """Start it, whatever it does then."""
        with self.log.open("ab") as log:
            self._handle: Handle = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        self.launch()

    @property
    def pid(self) -> int:
        return self._handle.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def is_running(self) -> bool:
        return self._handle.poll() is None

    def send(self, number: Signals) -> None:
        """To this process alone."""
        self._handle.send_signal(number)

    def send_all(self, number: Signals) -> None:
        """To its whole group."""
        try:
            os.killpg(self._handle.pid, number)
        except ProcessLookupError:  # it has ended, or has no group yet
            self.send(number)

    def wait(self) -> int:
        return self._handle.wait(DEADLINE_SECONDS)

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self.send(SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to the whole group, as when the machine's plug is pulled."""
        self.send_all(SIGKILL)
        self.wait()


class ServerProcess(Process):
    """An embedded server; it answers when `start` returns."""

    def __init__(self, server: Server, env: dict[str, str] | None = None) -> None:
        server.prepare()
        super().__init__(server.command, server.home / "server.log", env)
        self.server = server

    def start(self) -> None:
        self.launch()
        name = type(self.server).__name__
        wait_until(
            lambda: self.server.is_ready() or not self.is_running(),
            f"{name} answers, see {self.log}",
            START_SECONDS,
        )
        assert self.is_running(), f"{name} has ended, or another one answers in its place, see {self.log}"


RUNNING: list[Process] = []
"""What runs now, as far as `run` runs it."""


@contextmanager
def run(process: Process) -> Iterator[None]:
    """Start it, and leave nothing of it behind."""
    RUNNING.append(process)
    try:
        process.start()
        yield
    finally:
        RUNNING.remove(process)
        process.kill()


def run_python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """What a Python of its own does with the code, in the project's folder; it must succeed."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=True)
