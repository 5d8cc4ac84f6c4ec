"""Certificates for tests: an authority of the test's own, and what it has signed."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.needs import program

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-batch")
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    """Two files in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Whoever trusts `ca.certificate` trusts all that it signs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca = self._new("ca", "-x509", "-addext", "keyUsage=keyCertSign")

    def sign(self, name: str) -> Certificate:
        """For a server on 127.0.0.1 or for a client, which `name` names."""
        return self._new(name, "-x509", "-CA", self.ca.certificate, "-CAkey", self.ca.key, "-addext", NAMES)

    def _new(self, name: str, *arguments: str | Path) -> Certificate:
        made = Certificate(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        files = ("-out", made.certificate, "-keyout", made.key)
        command = [program("openssl", "openssl"), "req", *KEY, "-subj", f"/CN={name}", *files, *arguments]
        subprocess.run(command, check=True, capture_output=True)
        return made
