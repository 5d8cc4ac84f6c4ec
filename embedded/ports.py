"""TCP ports of this machine."""

import fcntl
import os
import secrets
import socket
import tempfile
from ipaddress import ip_address
from pathlib import Path

MAX_PORT = 65535
LISTENING = range(10_000, 32_768)
"""Below what outgoing connections get (Linux: ip_local_port_range): a server may stop and start again."""

BLOCK = 64
"""How many ports a process reserves at once."""

_reserved: list[int] = []


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, given once, and to no process beside this one."""
    while why_taken("127.0.0.1", port := _next()):
        pass
    return port


def addresses(host: str) -> list[str]:
    """All that a server which is told to listen on `host` listens on. Raises OSError for what is no host."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_loopback(host: str) -> bool:
    """Whether only this machine's own programs reach it."""
    return all(ip_address(address).is_loopback for address in addresses(host))


def is_everywhere(host: str) -> bool:
    """Whether it stands for all addresses of this machine."""
    return any(ip_address(address).is_unspecified for address in addresses(host))


def why_taken(host: str, port: int) -> str | None:
    """The reason why no server can listen there now, if it can't."""
    try:
        for address in addresses(host):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            socket.create_server((address, port), family=family).close()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None


def why_foreign(host: str) -> str | None:
    """The reason why no server of this machine can listen on any port there, if none can."""
    try:
        addresses(host)
    except socket.gaierror as error:
        return error.strerror
    return why_taken(host, 0)


def _next() -> int:
    while not _reserved:
        block = LISTENING[(start := secrets.randbelow(len(LISTENING) // BLOCK) * BLOCK) : start + BLOCK]
        if _reserve(block):
            _reserved.extend(block)
    return _reserved.pop()


def _reserve(block: range) -> bool:
    """Lock the block's file, until this process ends; False where another one has it."""
    folder = Path(tempfile.gettempdir(), f"tally-ports-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    file = os.open(folder / str(block[0]), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True
