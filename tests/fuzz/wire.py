"""Any bytes, over a socket, to every entrance of the accept call; and the same answer from each."""

import socket
from collections.abc import Iterable
from typing import NamedTuple

from counter.accepting.accept_call import PATH, BadCall, parse_call

SECONDS = 30
CUT_OFF = 0
"""The status where a server hangs up without an answer."""


class Answer(NamedTuple):
    status: int
    body: bytes


def ask(port: int, query: bytes, method: bytes = b"GET") -> Answer:
    """What a web server on this port says to the accept call with this query, byte for byte."""
    request = b"%s %s?%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    head, _, body = exchange(port, request % (method, PATH.encode(), query)).partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ")[1]) if head else CUT_OFF, body)


def exchange(port: int, request: bytes, *, ends: bool = False) -> bytes:
    """All that comes back until the server closes; nothing where it breaks the connection off.

    `ends` says that no more is sent, so that no server waits for the rest of half a request.
    """
    with socket.create_connection(("127.0.0.1", port), SECONDS) as caller:
        try:
            caller.sendall(request)
            if ends:
                caller.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: caller.recv(65536), b""))
        except OSError:
            return b""


def expected(query: bytes) -> Answer:
    """What the one reading of it says; a server may refuse a request line before that."""
    try:
        parse_call(query)
    except BadCall:
        return Answer(400, b"failed")
    return Answer(200, b"ok")


REFUSED = {Answer(400, b"failed"), Answer(400, b"Invalid HTTP request received."), Answer(CUT_OFF, b"")}
"""What servers say of what is no HTTP, ours and uvicorn's own."""


def agree(answers: Iterable[Answer], query: bytes) -> bool:
    """Whether all of them are as expected, or all refused by the server itself, as no HTTP."""
    found = set(answers)
    return found == {expected(query)} or found <= REFUSED
