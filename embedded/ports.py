"""TCP ports of this machine."""

import os
import socket

MAX_PORT = 65535


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that anybody may have taken a moment later."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def why_taken(host: str, port: int) -> str | None:
    """The reason why no server can listen there now, if it can't."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None
