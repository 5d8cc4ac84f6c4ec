"""The servers that are measured, and those behind them."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis

from bench.contenders import EVENT_MODE, Contender, command
from bench.machine import ROOT
from counter.store.keys import ID
from embedded.kafka import Kafka
from embedded.ports import free_port
from embedded.valkey import Valkey

START_SECONDS = 60
JVM = ("-Xmx1g",)
"""With the optimizing compiler, as in production."""


@dataclass
class Backing:
    """An empty Valkey, and perhaps an empty Kafka."""

    folder: Path
    valkey: Valkey
    client: redis.Redis
    pids: list[int]
    """Of the servers, in this order"""

    def empty(self) -> None:
        """Forget all that is in Valkey but its name, by which the topic stays its own."""
        name = self.client.get(ID)
        self.client.flushall()
        if name:
            self.client.set(ID, name)


@contextmanager
def backing(folder: Path, *, kafka: bool) -> Iterator[Backing]:
    """Where Tally's programs that are started meanwhile find their servers: in the environment."""
    with ExitStack() as stack:
        valkey, broker = Valkey(folder / "valkey", free_port()), Kafka(folder / "kafka", free_port(), jvm=JVM)
        os.environ.update(
            DJANGO_SETTINGS_MODULE="project.settings",
            REDIS_URL=valkey.url,
            KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers,
            SECRET_KEY=secrets.token_urlsafe(50),
            TALLY_HOME=str(folder),
        )
        pids = []
        for server in (valkey, broker) if kafka else (valkey,):
            server.prepare()
            pids.append(stack.enter_context(process(server.command, server.is_ready)).pid)
        for name in ("migrate", "create_topics") if kafka else ("migrate",):
            manage = ["env", EVENT_MODE, sys.executable, "manage.py", name]
            subprocess.run(manage, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        client = stack.enter_context(redis.Redis.from_url(valkey.url))
        yield Backing(folder, valkey, client, pids)


@contextmanager
def fresh(*, kafka: bool) -> Iterator[Backing]:
    """Empty servers in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="tally-bench-"))
    try:
        with backing(folder, kafka=kafka) as back:
            yield back
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Web:
    """A web server."""

    url: str
    pid: int


@contextmanager
def web(name: Contender, folder: Path) -> Iterator[Web]:
    """One of the contenders, ready. Raises load.Missing."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with process(command(name, folder, port), lambda: answers(url)) as running:
        yield Web(url, running.pid)


@contextmanager
def process(arguments: list[str], is_ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """Ready, and running for the length of a `with`."""
    with Path(os.environ["TALLY_HOME"], "servers.log").open("ab") as log:
        # In one session, all of them: Linux gives each session (autogroup) the same share of the machine.
        running = subprocess.Popen(arguments, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait(is_ready, f"ready: {' '.join(arguments)[:100]}")
        yield running
    finally:
        running.terminate()
        running.wait()


def answers(url: str) -> bool:
    """Whether calls are answered there."""
    try:
        return "ok" in httpx.get(f"{url}/api/verve/accept?id=1", verify=False).text
    except httpx.HTTPError:
        return False


def wait(holds: Callable[[], bool], what: str) -> None:
    """Until it holds."""
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain: {what}")
        time.sleep(0.05)
