"""The servers and programs under supervisord, which restarts what dies and stops them in order."""

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from xmlrpc.client import ServerProxy

from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from embedded import configuration
from embedded.leash import adopt_orphans, end_orphans, leashed
from embedded.system import CannotRunError, System
from embedded.tail import Tail

POLL_SECONDS = 0.1
START_SECONDS = 120

log = logging.getLogger(__name__)


class SupervisorDiedError(Exception):
    """supervisord was killed, and what it ran with it."""


class Supervision:
    """A supervisord that runs the system's programs, and what they print."""

    def __init__(self, system: System, process: subprocess.Popen[bytes], socket: Path) -> None:
        self._system = system
        self._process = process
        self._socket = socket
        self._tails = [Tail(system.log(name)) for name in system.programs]

    def wait_until_up(self) -> None:
        """Watch until it takes commands; raises CannotRunError if that never happens."""
        try:
            self.wait_until(self._is_up, "supervisord")
        except SupervisorDiedError:
            raise CannotRunError(
                f"supervisord does not start: see {self._system.log('supervisord')}"
            ) from None

    def start(self, group: str, name: str = "*") -> None:
        """Have those of the group, or one, run from now on; returns at once. Raises SupervisorDiedError."""
        try:
            self._call("startProcess", f"{group}:{name}", False)
        except OSError:
            raise SupervisorDiedError from None

    def wait_until(self, is_ready: Callable[[], bool], name: str) -> None:
        """Watch until what has that name is ready; raises CannotRunError if that takes too long."""
        log.info("Waiting for %s ...", name)
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            self.watch()
            if time.monotonic() > deadline:
                seconds, path = START_SECONDS, self._system.log(name)
                raise CannotRunError(f"{name} is not ready after {seconds} seconds: see {path}")

    def watch(self) -> None:
        """For a moment: show what the programs log, and end orphans; raises SupervisorDiedError."""
        self._copy_logs()
        end_orphans(self._process.pid)
        if self._process.poll() is not None:
            raise SupervisorDiedError
        time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Return when nothing runs any more."""
        self._process.terminate()
        while self._process.poll() is None:
            time.sleep(POLL_SECONDS)
            self._copy_logs()
        end_orphans(self._process.pid)
        self._copy_logs()
        for tail in self._tails:
            tail.close()

    def _is_up(self) -> bool:
        try:
            self._call("getState")
        except OSError:
            return False
        return True

    def _call(self, method: str, *arguments: str | bool) -> None:
        transport = SupervisorTransport(serverurl=f"unix://{self._socket}")
        with ServerProxy("http://localhost", transport=transport) as server:
            getattr(server.supervisor, method)(*arguments)

    def _copy_logs(self) -> None:
        # A terminal that has gone must keep nothing from running, nor from stopping.
        with suppress(OSError):
            for tail in self._tails:
                sys.stdout.buffer.write(tail.read())
            sys.stdout.flush()


@contextmanager
def supervising(system: System) -> Iterator[Supervision]:
    """A supervisord that knows what `system` runs, and at whose end nothing of it runs any more."""
    adopt_orphans()
    path = system.home / "supervisord.conf"
    # The socket is not in the home, for its path may have no more than about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="tally-") as folder:
        socket = Path(folder, "socket")
        configuration.write(path, system, socket)
        command = leashed([sys.executable, "-m", "supervisor.supervisord", "--configuration", str(path)])
        # In a session of its own, for Ctrl-C is for this process alone, which then stops everything in order.
        process = subprocess.Popen(command, env=system.environment, start_new_session=True)  # noqa: S603
        supervision = Supervision(system, process, socket)
        try:
            supervision.wait_until_up()
            yield supervision
        finally:
            supervision.stop()
