"""TCP ports of this machine."""

import secrets
import socket
from ipaddress import ip_address

MAX_PORT = 65535
LISTENING = range(10_000, 32_768)
"""Below what outgoing connections get (Linux: ip_local_port_range): a server may stop and start again."""

_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now and that this process has not been given before."""
    while (port := secrets.choice(LISTENING)) in _given or why_taken("127.0.0.1", port):
        pass
    _given.add(port)
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
        return error.strerror
    return None
