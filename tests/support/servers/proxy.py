"""A TCP proxy between real parts: it passes, cuts, hangs, and drops what a rule says."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial

from embedded.ports import free_port

BUFFER = 65536


class Cut(Exception):
    """Raised by a rule: both sides lose the connection, once `passed` has been passed on."""

    def __init__(self, passed: bytes = b"") -> None:
        self.passed = passed


class Towards(Enum):
    """Which way bytes go."""

    SERVER = "server"
    CLIENT = "client"


Rule = Callable[[Towards, bytes], bytes]
"""What to pass on instead of these bytes; it may raise Cut. Runs in the thread of its connection."""


class Proxy:
    """Listens on a port of 127.0.0.1 and passes on to `server_port`, by `rule` where one is set."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.rule: Rule | None = None
        self._hung: Callable[[str], bool] | None = None
        self._change = threading.Condition()
        self._refusing = False
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """End every connection."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """The server is gone: every connection ends, and new ones end at once."""
        self._refusing = True
        self.cut()

    def hang(self, *hosts: str) -> None:
        """The network is gone, for all or for those at these addresses: nothing passes, nobody is told."""
        self._hung = (lambda host: host in hosts) if hosts else (lambda host: True)

    def heal(self) -> None:
        """Pass everything again."""
        self.rule = None
        self._refusing = False
        self._hung = None
        with self._change:
            self._change.notify_all()

    def close(self) -> None:
        self.heal()
        self.refuse()
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, (host, _) = self._listener.accept()
                threading.Thread(target=self._connect, args=[client, host], daemon=True).start()

    def _connect(self, client: socket.socket, host: str) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self.server_port)) as server:
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections |= {client, server}
            pump = partial(self._pump, host)
            back = threading.Thread(target=pump, args=[Towards.CLIENT, server, client], daemon=True)
            back.start()
            pump(Towards.SERVER, client, server)
            back.join()
            self._connections -= {client, server}

    def _pump(self, host: str, towards: Towards, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while not self._refusing and (data := source.recv(BUFFER)):
                if self._hung:
                    with self._change:
                        self._change.wait_for(lambda: not (self._hung and self._hung(host)))
                try:
                    target.sendall(self.rule(towards, data) if self.rule else data)
                except Cut as cut:
                    target.sendall(cut.passed)
                    break
        for side in (source, target):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """A proxy for the time of the block."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()


def two_ways(
    port: int, proxy: Proxy, number: int = 1, controllers: dict[int, int] | None = None
) -> dict[str, str]:
    """Properties of a Kafka at `port` that is also reached through the proxy: a client stays on its way.

    It is the broker `number` of those whose `controllers` listen at these ports.
    """
    controllers = controllers or {number: free_port()}
    ways = {"BROKER": port, "CONTROLLER": controllers[number], "PROXIED": proxy.server_port}
    return {
        "node.id": str(number),
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in controllers.items()),
        "listeners": _addresses(ways),
        "advertised.listeners": _addresses({"BROKER": port, "PROXIED": proxy.port}),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in ways),
    }


def _addresses(ports: dict[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())


END_TXN = 26


def kafka_requests(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(api key, frame) of each request in what a client sent at once: our small ones are never split."""
    while len(data) >= 8:
        (length,) = struct.unpack_from(">i", data)
        (api_key,) = struct.unpack_from(">h", data, 4)
        yield api_key, data[: 4 + length]
        data = data[4 + length :]
