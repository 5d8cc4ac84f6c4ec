"""Connections that say nothing, beside calls at full load."""

import resource
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from bench.load import calls_per_second
from bench.servers import Web

COUNT = 10_000
SPARE_FILES = 1000
"""Descriptors for all else."""


@dataclass(frozen=True)
class Idle:
    """What so many of them cost."""

    connections: int
    held: int
    """That were still open at the end"""
    kilobytes: float
    """Of the web server's memory, for each"""
    rate: float
    """Accept calls a second beside them"""
    rate_without: float


def measure(hot: Web, seconds: float) -> Idle:
    """With COUNT of them, and before without any."""
    without = calls_per_second(hot.url, seconds)
    before = _memory(hot.pid)
    with _opened(hot.url) as idle:
        grown = _memory(hot.pid) - before
        rate = calls_per_second(hot.url, seconds)
        poll = select.poll()
        for connection in idle:
            poll.register(connection, select.POLLIN)
        held = len(idle) - len(poll.poll(0))  # there is something to be read where the server has hung up
    return Idle(len(idle), held, grown / 1024 / len(idle), rate, without)


@contextmanager
def _opened(url: str) -> Iterator[list[socket.socket]]:
    """As many as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    address = urlsplit(url)
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
            for _ in range(min(COUNT, most - SPARE_FILES))
        ]


def _memory(pid: int) -> int:
    server = psutil.Process(pid)
    return sum(process.memory_info().rss for process in (server, *server.children(recursive=True)))
