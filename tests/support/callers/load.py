"""Load on a web server: clients that call without pause, and remember what they were told."""

import http.client
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from signal import SIGCONT, SIGSTOP
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from counter.accepting.accept_call import PATH
from counter.counters import DEFAULT
from counter.ids import Id
from tests.support.checker import Calls
from tests.support.processes import Process, wait_until

TIMEOUT_SECONDS = 10
PAUSE_SECONDS = 0.05
"""After a refusal; a caller that knew no pause would only count refusals."""

NGINX_FAILURES = (502, 504)
"""What nginx says where the server behind it died, or took too long."""


class Client(threading.Thread):
    """One caller, over one connection at a time; over a new one for each call with `headers` that say so."""

    def __init__(
        self,
        url: str,
        seed: int,
        ids: int,
        counters: Sequence[str],
        tls: ssl.SSLContext | None,
        headers: dict[str, str],
    ) -> None:
        super().__init__(daemon=True)
        self._netloc = urlsplit(url).netloc
        self._random = random.Random(seed)
        self._ids = ids
        self._counters = counters
        self._tls = tls
        self._headers = headers
        self.calls = Calls()
        self.refused = 0
        self.wrong: Counter[tuple[int, bytes]] = Counter()
        self.running = True

    def run(self) -> None:
        with closing(self._connection()) as connection:
            while self.running:
                self._call(connection, self._random.choice(self._counters), self._random.randrange(self._ids))

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection(self._netloc, timeout=TIMEOUT_SECONDS, context=self._tls)
        return http.client.HTTPConnection(self._netloc, timeout=TIMEOUT_SECONDS)

    def _call(self, connection: http.client.HTTPConnection, counter: str, number: int) -> None:
        id: Id = f"id-{number:x}" if counter else number
        query = f"id={id}&counter={counter}" if counter else f"id={id}"
        calls = self.calls.of(counter)
        try:
            connection.request("GET", f"{PATH}?{query}", headers=self._headers)
            answer = connection.getresponse()
            self._remember(calls, id, answer.status, answer.read())
        except ConnectionRefusedError:
            self.refused += 1  # nobody has heard of the call
            connection.close()
            time.sleep(PAUSE_SECONDS)
        except (OSError, http.client.HTTPException):
            calls.unknown[id] += 1
            connection.close()
            time.sleep(PAUSE_SECONDS)

    def _remember(self, calls: Calls, id: Id, status: int, body: bytes) -> None:
        if (status, body) == (200, b"ok"):
            calls.ok[id] += 1
        else:
            calls.unknown[id] += 1
            time.sleep(PAUSE_SECONDS)
            if (status, body) != (503, b"failed") and status not in NGINX_FAILURES:
                self.wrong[status, body] += 1


class Load:
    """Clients for the time of the block; after it `calls` is what all of them were told."""

    def __init__(
        self,
        url: str,
        clients: int = 4,
        ids: int = 500,
        seed: int = 0,
        counters: Sequence[str] = (DEFAULT,),
        tls: ssl.SSLContext | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._clients = [Client(url, seed + n, ids, counters, tls, headers or {}) for n in range(clients)]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.running = False
        for client in self._clients:
            client.join()

    @property
    def calls(self) -> Calls:
        """What was answered so far."""
        calls = Calls()
        for client in self._clients:
            assert not client.wrong, f"answers that no caller should see: {client.wrong}"
            calls.update(client.calls)
        return calls

    @property
    def acknowledged(self) -> int:
        """How many calls were answered `ok` so far."""
        return sum(client.calls.total("ok") for client in self._clients)

    @property
    def refused(self) -> int:
        """How many calls found nobody who listens."""
        return sum(client.refused for client in self._clients)

    def is_stuck(self) -> bool:
        """Whether no call is answered for a moment."""
        before = self.acknowledged
        time.sleep(PAUSE_SECONDS)
        return self.acknowledged == before

    def wait_for(self, calls: int) -> None:
        """Until so many more are acknowledged."""
        wanted = self.acknowledged + calls
        wait_until(lambda: self.acknowledged >= wanted, f"{calls} more calls are acknowledged")


def kill_with_calls(web: Process, load: Load, redis: Process) -> None:
    """Kill a web server while calls are on their way from it to Redis, where they will be counted."""
    redis.send(SIGSTOP)
    try:
        wait_until(load.is_stuck, "every caller waits for Redis")
        web.kill()
    finally:
        redis.send(SIGCONT)
