"""Who answers the accept call, each by two processes or by the one in its name: Tally, and its peers."""

import os
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from bench.load import program
from bench.machine import CACHE, ROOT
from bench.reporting.progress import say

EVENT_MODE = "ACCEPT_SINK=kafka"
COUNTERS = "COUNTERS=" + ",".join(f"c{number}" for number in range(1, 10))
"""Ten with the default one."""
HELLO = "bench.peers.hello:application"
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
    HELLO = "Granian hello-world"
    UVICORN = "uvicorn hello-world"
    GO = "Go, net/http and rueidis"
    HOT = "hot path"
    HELLO_ALONE = "Granian hello-world, one process"
    HOT_ALONE = "hot path, one process"
    EVENTS = "hot path, events"
    COUNTERS = "hot path, ten counters"
    DJANGO = "Django's view"
    NAIVE = "naive"


def present() -> list[Contender]:
    """All that can be started here; of another one a line says what it lacks."""
    if shutil.which("go"):
        return list(Contender)
    say(f"without {Contender.GO}: Go is missing")
    return [name for name in Contender if name is not Contender.GO]


def command(name: Contender, folder: Path, port: int) -> list[str]:
    """What starts it. Raises load.Missing."""
    workers = 1 if name in (Contender.HELLO_ALONE, Contender.HOT_ALONE) else 2
    match name:
        case Contender.HOT | Contender.HOT_ALONE:
            return tally(workers, port)
        case Contender.EVENTS:
            return ["env", EVENT_MODE, *tally(workers, port)]
        case Contender.COUNTERS:
            return ["env", COUNTERS, *tally(workers, port)]
        case _:
            return _peer(name, folder, workers, port)


def _peer(name: Contender, folder: Path, workers: int, port: int) -> list[str]:
    match name:
        case Contender.NGINX:
            configuration = folder / "nginx.conf"
            configuration.write_text(NGINX_CONF.format(folder=folder, port=port))
            return [program("nginx", "nginx-light"), "-c", str(configuration)]
        case Contender.GO:
            return [_built(), f"127.0.0.1:{port}", urlsplit(os.environ["REDIS_URL"]).netloc]
        case Contender.UVICORN:
            options = f"--workers {workers} --loop uvloop --http httptools --port {port} --log-level warning"
            return [sys.executable, "-m", "uvicorn", *options.split(), HELLO]
        case Contender.NAIVE:
            gthread = f"-w {workers} -k gthread --threads 8 --log-level warning -b 127.0.0.1:{port}"
            return [sys.executable, "-m", "gunicorn", *gthread.split(), "bench.peers.naive"]
        case Contender.DJANGO:
            return _granian("wsgi project.wsgi:application", workers, port)
        case _:
            return _granian(f"asgi {HELLO}", workers, port)


def tally(workers: int, port: int) -> list[str]:
    """Tally's own web server, as everyone starts it."""
    path = f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}"
    return ["env", path, str(ROOT / "bin" / "tally"), "web", "--workers", str(workers), "--port", str(port)]


def _granian(application: str, workers: int, port: int) -> list[str]:
    """`application` is its interface, and where it is."""
    options = f"--workers {workers} --loop uvloop --no-ws --port {port} --interface {application}"
    return [sys.executable, "-m", "granian", *options.split()]


def _built() -> str:
    """The Go service, built from its source."""
    built = CACHE / "rueidis"
    source = Path(__file__).parent / "peers" / "rueidis"
    subprocess.run(["go", "build", "-o", str(built), "."], cwd=source, check=True)
    return str(built)
