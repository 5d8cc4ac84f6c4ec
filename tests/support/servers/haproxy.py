"""HAProxy with the configuration that comes with Tally, but for addresses, certificates and limits."""

import csv
import os
import socket
import subprocess
from pathlib import Path

from embedded.ports import free_port
from tests.support.access.certificates import Certificate
from tests.support.needs import program
from tests.support.processes import ROOT, Process, wait_until

CONFIGURATION = ROOT / "ops/haproxy/tally.cfg"


class HAProxy(Process):
    """In front of web servers by name, `web-1` and so on; with TLS."""

    def __init__(
        self, home: Path, webs: dict[str, int], certificate: Certificate, inside: str = "127.0.0.1"
    ) -> None:
        home.mkdir()
        self.port = free_port()
        self._socket = home / "admin.sock"
        both = home / "tally.pem"
        both.write_text(certificate.certificate.read_text() + certificate.key.read_text())
        changes = {
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "/etc/haproxy/tally.pem": str(both),
            "/run/haproxy/admin.sock": str(self._socket),
            "gt 3000": "gt 300000",  # callers of a test share one address
            "gt 150": "gt 5",
            "10.0.0.0/8 127.0.0.1": inside,
            "hdr Host tally.example.com": "hdr Host localhost",
            **{
                f"server {name} {name}:8000": f"server {name} 127.0.0.1:{port}" for name, port in webs.items()
            },
        }
        if os.getuid():  # only root may become somebody else
            changes |= {"    user haproxy\n": "", "    group haproxy\n": ""}
        text = CONFIGURATION.read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {CONFIGURATION}"
            text = text.replace(old, new)
        self._file = home / "tally.cfg"
        self._file.write_text(text)
        super().__init__([self._program, "-db", "-f", str(self._file)], home / "haproxy.log")

    @property
    def _program(self) -> str:
        return program("haproxy", "haproxy")

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self) -> None:
        super().start()
        wait_until(self._socket.exists, f"HAProxy runs, see {self.log}")

    def check(self) -> str:
        """What it finds wrong with its configuration, warnings, too."""
        command = [self._program, "-c", "-dW", "-q", "-f", str(self._file)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr

    def drain(self, name: str) -> None:
        """Have it send nothing more to that web server, as docs/operations.md says."""
        self._ask(f"set server tally/{name} state drain")

    def ready(self, name: str) -> None:
        """Have it send calls there again."""
        self._ask(f"set server tally/{name} state ready")

    def calls_of(self, name: str) -> int:
        """How many calls are under way there."""
        return int(self._stat(name, "scur"))

    def state_of(self, name: str) -> str:
        """UP, DOWN, DRAIN and so on, as it shows it."""
        return self._stat(name, "status")

    def check_of(self, name: str) -> str:
        """How the last health check ended: L4CON nobody listens, L7OK, L7STS another status than 200."""
        return self._stat(name, "check_status")

    def _stat(self, name: str, field: str) -> str:
        rows = csv.DictReader(self._ask("show stat -1 4 -1").splitlines())
        return next(row[field] for row in rows if row["svname"] == name)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(self._socket))
            admin.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: admin.recv(65536), b"")).decode()
