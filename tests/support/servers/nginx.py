"""nginx with the configuration that comes with Tally: only addresses and certificates are others."""

import os
from collections.abc import Collection
from pathlib import Path
from signal import SIGHUP

import psutil

from embedded.ports import free_port
from tests.support.access.certificates import Certificate
from tests.support.needs import program
from tests.support.processes import ROOT, Process, wait_until

SITE = ROOT / "ops/nginx/tally.conf"
MAIN = """
daemon off;
worker_processes 2;
pid {home}/nginx.pid;
error_log stderr warn;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/tally.conf;
}}
"""


class Nginx(Process):
    """In front of web servers by name, `web-1` and so on; with TLS."""

    def __init__(
        self, home: Path, webs: dict[str, int], certificate: Certificate, inside: str = "127.0.0.1"
    ) -> None:
        home.mkdir()
        self.port = free_port()
        self._site = home / "tally.conf"
        self._webs = webs
        self._inside = inside
        self._certificate = certificate
        user = "user root;" if os.getuid() == 0 else ""  # its workers would not be let into the test's folder
        (home / "nginx.conf").write_text(MAIN.format(home=home, user=user))
        self._write(down=())
        command = [program("nginx", "nginx"), "-p", str(home), "-e", "stderr", "-c", str(home / "nginx.conf")]
        super().__init__(command, home / "nginx.log")

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def reload(self, down: Collection[str] = ()) -> None:
        """Have it send nothing to those web servers; what was under way to them has ended on return."""
        self._write(down)
        before = self._workers()
        self.send(SIGHUP)
        wait_until(lambda: not before & self._workers(), "the workers of before have ended")

    def _workers(self) -> set[int]:
        return {process.pid for process in psutil.Process(self.pid).children()}

    def _write(self, down: Collection[str]) -> None:
        changes = {
            "allow 127.0.0.1;": f"allow {self._inside};",
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "/etc/ssl/tally.crt": str(self._certificate.certificate),
            "/etc/ssl/tally.key": str(self._certificate.key),
        }
        for name, port in self._webs.items():
            mark = "down " if name in down else ""
            changes[f"server {name}:8000 "] = f"server 127.0.0.1:{port} {mark}"
        text = SITE.read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {SITE}"
            text = text.replace(old, new)
        self._site.write_text(text)
