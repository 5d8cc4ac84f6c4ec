"""The servers that are measured, each of two processes or of the one in its name, and those behind them."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx
import redis

from bench.load import program
from bench.machine import ROOT
from embedded.kafka import Kafka
from embedded.ports import free_port
from embedded.valkey import Valkey

START_SECONDS = 60
TALLY = "asgi project.asgi:application"
EVENT_MODE = "ACCEPT_SINK=kafka"
JVM = ("-Xmx1g",)
"""With the optimizing compiler, as in production."""
NGINX_CONF = """
worker_processes 2; daemon off; error_log {folder}/nginx.log; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok"; }} }}
}}
"""


class Contender(StrEnum):
    """Who answers the accept call."""

    NGINX = "nginx"
    HELLO = "hello-world"
    HOT = "hot path"
    HELLO_ALONE = "hello-world, one process"
    HOT_ALONE = "hot path, one process"
    EVENTS = "hot path, events"
    DJANGO = "Django's view"
    NAIVE = "naive"


@dataclass
class Backing:
    """An empty Valkey, and perhaps an empty Kafka."""

    folder: Path
    valkey: Valkey
    client: redis.Redis
    pids: list[int]
    """Of the servers, in this order"""


@contextmanager
def backing(folder: Path, *, kafka: bool) -> Iterator[Backing]:
    """Where Tally's programs that are started meanwhile find their servers: in the environment."""
    with ExitStack() as stack:
        valkey, broker = Valkey(folder / "valkey", free_port()), Kafka(folder / "kafka", free_port(), jvm=JVM)
        os.environ.update(
            DJANGO_SETTINGS_MODULE="project.settings",
            REDIS_URL=valkey.url,
            KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers,
            SECRET_KEY="bench-" + "0123456789" * 5,
            TALLY_HOME=str(folder),
        )
        pids = []
        for server in (valkey, broker) if kafka else (valkey,):
            server.prepare()
            pids.append(stack.enter_context(process(server.command, server.is_ready)).pid)
        for command in ("migrate", "create_topics") if kafka else ("migrate",):
            manage = ["env", EVENT_MODE, sys.executable, "manage.py", command]
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
    with process(_command(name, folder, port), lambda: answers(url)) as running:
        yield Web(url, running.pid)


def _command(name: Contender, folder: Path, port: int) -> list[str]:
    workers = 1 if name in (Contender.HELLO_ALONE, Contender.HOT_ALONE) else 2
    match name:
        case Contender.NGINX:
            configuration = folder / "nginx.conf"
            configuration.write_text(NGINX_CONF.format(folder=folder, port=port))
            return [program("nginx", "nginx-light"), "-c", str(configuration)]
        case Contender.NAIVE:
            gthread = f"-w 2 -k gthread --threads 8 --log-level warning -b 127.0.0.1:{port}"
            return [sys.executable, "-m", "gunicorn", *gthread.split(), "bench.naive"]
        case Contender.DJANGO:
            return granian("wsgi project.wsgi:application", workers, port)
        case Contender.HOT | Contender.HOT_ALONE:
            return granian(TALLY, workers, port)
        case Contender.EVENTS:
            return ["env", EVENT_MODE, *granian(TALLY, workers, port)]
        case Contender.HELLO | Contender.HELLO_ALONE:
            return granian("asgi bench.hello:application", workers, port)


def granian(application: str, workers: int, port: int) -> list[str]:
    """The command of a web server: `application` is its interface, and where it is."""
    options = f"--workers {workers} --loop uvloop --no-ws --port {port} --interface {application}"
    return [sys.executable, "-m", "granian", *options.split()]


@contextmanager
def process(command: list[str], is_ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """Ready, and running for the length of a `with`."""
    with Path(os.environ["TALLY_HOME"], "servers.log").open("ab") as log:
        # In one session, all of them: Linux gives each session (autogroup) the same share of the machine.
        running = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait(is_ready, f"ready: {' '.join(command)[:100]}")
        yield running
    finally:
        running.terminate()
        running.wait()


def answers(url: str) -> bool:
    """Whether calls are answered there."""
    try:
        return "ok" in httpx.get(f"{url}/api/verve/accept?id=1").text
    except httpx.HTTPError:
        return False


def wait(holds: Callable[[], bool], what: str) -> None:
    """Until it holds."""
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain: {what}")
        time.sleep(0.05)
