"""TCP ports of this machine."""

import os
import secrets
import socket

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


def why_taken(host: str, port: int) -> str | None:
    """The reason why no server can listen there now, if it can't."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None
