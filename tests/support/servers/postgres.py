"""One PostgreSQL server with its data in a folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP, Signals

import psutil

from embedded.ports import free_port
from tests.support.needs import program_of_postgres
from tests.support.processes import ServerProcess, run

USER = "tally"


class Postgres:
    """A server on 127.0.0.1 with the user and the database `tally`; `options` override its own."""

    def __init__(self, **options: str) -> None:
        # Not below the tests' home, which the user that PostgreSQL runs as may not enter.
        self.home = Path(tempfile.mkdtemp(prefix="tally-postgres-"))
        self.port = free_port()
        self._data = self.home / "data"
        self._options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.home),
        } | options

    def prepare(self) -> None:
        """Make a new cluster."""
        _give_away(self.home)
        self.run("initdb", "--auth=trust", "--encoding=UTF8", f"--username={USER}", f"--pgdata={self._data}")
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._options.items())

    def put(self, name: str, content: str) -> Path:
        """A file that the server alone may read, beside its data."""
        path = self.home / name
        path.write_text(content)
        path.chmod(0o600)
        _give_away(path)
        return path

    def allow(self, *lines: str) -> None:
        """Who may connect, and how: the lines of `pg_hba.conf`."""
        (self._data / "pg_hba.conf").write_text("".join(f"{line}\n" for line in lines))

    @property
    def command(self) -> list[str]:
        """What to run, in the foreground, once it is prepared."""
        return [*_as_nobody_special(), program_of_postgres("postgres"), "-D", str(self._data)]

    @property
    def url(self) -> str:
        """Where clients find it, as `DATABASE_URL`."""
        return f"postgres://{USER}@127.0.0.1:{self.port}/{USER}"

    def is_ready(self) -> bool:
        """Whether it answers; makes the database when it does so first."""
        arguments = ["--host", str(self.home), "--port", str(self.port), "--username", USER]
        command = [program_of_postgres("createdb"), *arguments, USER]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return not done.returncode or "already exists" in done.stderr

    def run(self, name: str, *arguments: str) -> str:
        """One of PostgreSQL's programs as the user that it runs as; what it prints."""
        command = [*_as_nobody_special(), program_of_postgres(name), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=self.home).stdout

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Every process of it, by SIGSTOP: connections are still taken by the system, and nothing answers."""
        server = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        server.suspend()  # first, so that no child comes after the others
        try:
            self._send_children(server, SIGSTOP)
            yield
        finally:
            self._send_children(server, SIGCONT)
            server.resume()

    @staticmethod
    def _send_children(server: psutil.Process, number: Signals) -> None:
        for child in server.children():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                child.send_signal(number)

    def remove(self) -> None:
        """Its data, once it has stopped."""
        shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def running() -> Iterator[Postgres]:
    """A new one for the time of the block."""
    postgres = Postgres()
    try:
        with run(ServerProcess(postgres)):
            yield postgres
    finally:
        postgres.remove()


def _give_away(path: Path) -> None:
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


def _as_nobody_special() -> list[str]:
    """PostgreSQL refuses to run as root: as the user that its package has made, then."""
    if os.getuid():
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
