"""A caller that sends whatever it likes, and reads what comes back."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import parse_headers
from urllib.parse import urlsplit

from counter.accepting.accept_call import PATH

TIMEOUT_SECONDS = 30


@dataclass
class Answer:
    """One response."""

    status: int
    headers: Message
    body: bytes

    @property
    def is_last(self) -> bool:
        """Whether the server says that it closes the connection."""
        return self.headers.get("Connection") == "close"


class Caller:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._file = connection.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def close(self) -> None:
        self._file.close()

    def end(self) -> None:
        """Send no more."""
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Answer:
        """The next one, of a request with that method; one with the status 0 where the server has closed."""
        line = self._file.readline()
        if not line:
            return Answer(0, Message(), b"")
        status, headers = int(line.split()[1]), parse_headers(self._file)
        if status == 100:
            return Answer(status, headers, b"")
        length = 0 if method == "HEAD" else int(headers.get("Content-Length", 0))
        return Answer(status, headers, self._file.read(length))

    def answers(self) -> list[Answer]:
        """All of them until the server closes."""
        found: list[Answer] = []
        while (answer := self.answer()).status:
            found.append(answer)
        return found

    def is_closed(self) -> bool:
        """Whether the server has closed it, and has sent nothing before."""
        try:
            return not self._file.read(1)
        except ConnectionError:
            return True


@contextmanager
def calling(url: str) -> Iterator[Caller]:
    """A caller of the server there."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=TIMEOUT_SECONDS) as connection:
        caller = Caller(connection)
        try:
            yield caller
        finally:
            caller.close()


def call(id: object, *headers: str, method: str = "GET", version: str = "1.1", body: bytes = b"") -> bytes:
    """An accept call as it is sent."""
    lines = (f"{method} {PATH}?id={id} HTTP/{version}", "Host: localhost", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def get(path: str, *headers: str) -> bytes:
    """Any other request."""
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", "")).encode()
