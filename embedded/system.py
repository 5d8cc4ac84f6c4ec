"""What `make run` runs, where, and with which environment."""

import fcntl
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import httpx

from embedded import ports
from embedded.kafka import Kafka
from embedded.ports import MAX_PORT, why_foreign, why_taken
from embedded.valkey import Valkey

HERE = "127.0.0.1"
LOOPBACK = "localhost"
"""Of IPv4 and IPv6."""

PROGRAMS = ("web", "worker", "callbacks", "beat")
EVENT_PROGRAMS = ("consolidate",)
"""Beside those, in event mode."""

UNUSABLE = re.compile(r'[^ -~]|[,;"\\]| #')
"""In the path of a home: it would end there, or lead to elsewhere, in a file of Kafka's or supervisord's."""


class CannotRunError(Exception):
    """Tally can't be started; the message says why, and what to do."""


class System:
    """Tally's programs, and the servers it needs that have no address of their own in the environment."""

    def __init__(self) -> None:
        self.home = Path(os.environ.get("TALLY_HOME") or ".tally").absolute()
        if found := UNUSABLE.search(str(self.home)):
            raise CannotRunError(
                f"TALLY_HOME is {str(self.home)!r}: not every server can use a path with {found[0]!r} in it"
            )
        self.host, self.port = os.environ.get("BIND_HOST") or LOOPBACK, _port("PORT", 8000)
        if reason := why_foreign(self.host):
            raise CannotRunError(
                f"BIND_HOST is {self.host!r}, which is no address of this machine ({reason}):"
                " set it to one, to localhost or to 0.0.0.0"
            )
        self.servers: dict[str, Valkey | Kafka] = {}
        self.environment = os.environ | {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "BIND_HOST": self.host,
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            "TALLY_HOME": str(self.home),
        }
        self.environment.setdefault("LOG_FORMAT", "console")  # whoever runs this reads it
        self._listening = {"PORT": (self.host, self.port)}
        if not os.environ.get("REDIS_URL"):
            valkey = self.servers["valkey"] = Valkey(self.home / "valkey", _port("REDIS_PORT", 6379))
            self.environment["REDIS_URL"] = valkey.url
            self._listening["REDIS_PORT"] = (HERE, valkey.port)
        if not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
            kafka = self.servers["kafka"] = Kafka(self.home / "kafka", _port("KAFKA_PORT", 9092))
            self.environment["KAFKA_BOOTSTRAP_SERVERS"] = kafka.bootstrap_servers
            self._listening["KAFKA_PORT"] = (HERE, kafka.port)

    @property
    def url(self) -> str:
        """Where Tally answers on this machine."""
        host = HERE if ports.is_everywhere(self.host) else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def is_open(self) -> bool:
        """Whether others than this machine's users may count."""
        return not (ports.is_loopback(self.host) or os.environ.get("ACCEPT_TOKEN"))

    def log(self, name: str) -> Path:
        """Where a program or a server of that name writes."""
        return self.home / "logs" / f"{name}.log"

    @property
    def programs(self) -> dict[str, list[str]]:
        """The commands of Tally's own programs, by name."""
        is_event_mode = self.environment.get("ACCEPT_SINK") == "kafka"
        names = PROGRAMS + EVENT_PROGRAMS if is_event_mode else PROGRAMS
        return {name: [sys.executable, "-m", "tally", name] for name in names}

    def is_ready(self) -> bool:
        """Whether Tally accepts calls."""
        try:
            # It is asked often and without TLS: no certificates are loaded each time.
            url, host = f"{self.url}/readyz", {"Host": LOOPBACK}
            return httpx.get(url, headers=host, timeout=2, verify=False).is_success  # noqa: S501
        except httpx.HTTPError:
            return False

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """The home as this run's alone, and its ports found free; raises CannotRunError."""
        with self._lock() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotRunError(
                    f"Tally runs in {self.home} already: stop it, or set TALLY_HOME"
                ) from None
            self._check_ports()
            yield

    def prepare(self) -> None:
        """Have all that the programs need, on the first run with downloads; raises CannotRunError."""
        # Each process counts in a file of its own, and a scrape adds all of them up: the last run's as well.
        shutil.rmtree(self.home / "metrics", ignore_errors=True)
        self.environment["SECRET_KEY"] = os.environ.get("SECRET_KEY") or self._secret_key()
        for name, server in self.servers.items():
            try:
                server.prepare()
            except (OSError, RuntimeError) as error:
                raise CannotRunError(f"{name}: {error}") from error

    def _lock(self) -> TextIO:
        """The file of the home that is locked while it is used."""
        try:
            (self.home / "logs").mkdir(parents=True, exist_ok=True)
            self._keep_others_out()
            return (self.home / "lock").open("w")
        except OSError as error:
            raise CannotRunError(
                f"TALLY_HOME is {self.home}, where nothing can be written"
                f" ({error.strerror}: {error.filename}): set it to a folder of yours"
            ) from error

    def _keep_others_out(self) -> None:
        """Also of what was made before, by a version that did not. The key is left to tally.E032."""
        self.home.chmod(0o700)
        for database in self.home.glob("tally.sqlite3*"):
            database.chmod(0o600)

    def _check_ports(self) -> None:
        for variable, (host, port) in self._listening.items():
            if reason := why_taken(host, port):
                raise CannotRunError(f"Port {port}: {reason}. Set {variable} to another one")

    def _secret_key(self) -> str:
        path = self.home / "secret_key"
        path.touch(mode=0o600)
        if not path.read_text():
            path.write_text(secrets.token_urlsafe(50))
        return path.read_text()


def _port(variable: str, default: int) -> int:
    value = os.environ.get(variable) or str(default)
    if not value.isdecimal() or not 0 < int(value) <= MAX_PORT:
        raise CannotRunError(f"{variable} must be the number of a port, not {value!r}")
    return int(value)
