"""A web server of Tally's, and what it takes to read from it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from django.conf import settings

from embedded.ports import free_port
from tests.support.processes import run, wait_until
from tests.support.programs import Program, output, tally

WEB, DJANGO = LANES = ("web", "django")
"""The web server as it is, and Django alone."""


@contextmanager
def serving(lane: str = WEB, workers: int = 1, log: str = "web.log", **env: str) -> Iterator[str]:
    """The base url of a web server that runs as long."""
    port = free_port()
    env = {"REDIS_BUCKETS": str(settings.REDIS_BUCKETS)} | env
    with run(web(lane, port, Path(os.environ["TALLY_HOME"], log), env, workers)):
        wait_until(lambda: _answers(port), "web answers")
        yield f"http://127.0.0.1:{port}"


def web(lane: str, port: int, log: Path, env: dict[str, str] | None = None, workers: int = 1) -> Program:
    """A web server, on its way."""
    if lane == DJANGO:
        options = ["--lifespan", "off", "--port", str(port), "--workers", str(workers)]
        return Program("uvicorn", *options, "project.asgi:application", log=log, env=env)
    options = ["--host=127.0.0.1", f"--port={port}", f"--workers={workers}"]
    return tally("web", *options, log=log, env=env)


def manage(*arguments: str, **env: str) -> str:
    """What a command of `tally` writes to its standard output."""
    return output("tally", *arguments, **env)


def migrate(*arguments: str, **env: str) -> None:
    """Bring a database to its newest tables, or to those that are named; no check asks the other servers."""
    manage("migrate", "--verbosity=0", "--skip-checks", *arguments, **env)


def manage_command(*arguments: str) -> list[str]:
    """To be run in the project's folder."""
    return [sys.executable, "manage.py", *arguments]


def metric(url: str, name: str) -> float:
    """The value of a sample in `/metrics`, of the default counter where there are several; 0 without one."""
    names = (f"{name} ", f'{name}{{counter=""}} ')
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(names)), 0.0)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.HTTPError:
        return False
