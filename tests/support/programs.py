"""Programs of Python's in tests: each is a process of its own, which is forked and not started.

To load Django, Celery and their like takes a second or two of a processor, which was a quarter of the suite's
time. So a server of `multiprocessing`'s loads them once; it has no threads and no settings. What it forks
runs as `python -m` would run it: it reads its environment and loads Tally anew.
"""

import atexit
import os
import runpy
import sys
from multiprocessing import get_context
from pathlib import Path
from signal import SIGKILL
from subprocess import CalledProcessError, TimeoutExpired
from tempfile import TemporaryDirectory

from typing_extensions import override

from tests.support.processes import DEADLINE_SECONDS, HOME, ROOT, Process

LIBRARIES = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "celery.worker.consumer",
    "confluent_kafka.admin",
    "django.contrib.admin",
    "django.contrib.postgres.fields",
    "django.contrib.staticfiles.finders",
    "django.core.handlers.asgi",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.test",
    "django_structlog.celery.steps",
    "environ",
    "httptools",
    "httpx",
    "inflection",
    "kombu.transport.redis",
    "msgspec",
    "opentelemetry.sdk.metrics",
    "psycopg",
    "redbeat",
    "redis.asyncio",
    "requests",
    "rest_framework.compat",
    "structlog",
    "tenacity",
    "uritemplate",
    "uvicorn.lifespan.on",
    "uvloop",
    "yaml",
)
"""What takes long to load, and does not read the environment then, as prometheus_client does."""

_forks = get_context("forkserver")
_forks.set_forkserver_preload([*LIBRARIES, "tests.support.frozen"])


class Program(Process):
    """`python -m module argument …`, in a group of its own, with its output in `log`."""

    def __init__(self, module: str, *arguments: str, log: Path, env: dict[str, str] | None = None) -> None:
        super().__init__([sys.executable, "-m", module, *arguments], log, env)
        # What an interpreter or its loader reads as it starts, it can't read later.
        self._must_start = any(name.startswith(("LD_", "PYTHON")) for name in env or {})

    @override
    def launch(self) -> None:
        if self._must_start:
            super().launch()
        else:
            self._handle = _Fork(self._command[2:], self.log, self.log, self._env)


def output(module: str, *arguments: str, **env: str) -> str:
    """What the program writes to its standard output. One that fails raises what `subprocess.run` does."""
    command = [module, *arguments]
    with TemporaryDirectory(dir=HOME) as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        fork = _Fork(command, out, errors, os.environ | env)
        try:
            status = fork.wait(DEADLINE_SECONDS)
        finally:
            fork.send_signal(SIGKILL)
        if status:
            raise CalledProcessError(status, command, out.read_text(), errors.read_text())
        return out.read_text()


def tally(program: str, *options: str, log: Path, env: dict[str, str] | None = None) -> Program:
    """One of Tally's programs, by its name in `bin/tally`."""
    return Program("tally", program, *options, log=log, env=env)


def celery(name: str, *command: str, **env: str) -> Program:
    """A command of Celery's, with its log in `name`.log."""
    return Program("celery", "--quiet", "-A", "project", *command, log=HOME / f"{name}.log", env=env)


class _Fork:
    """A process as `Popen` has it."""

    def __init__(self, command: list[str], out: Path, errors: Path, env: dict[str, str]) -> None:
        for file in (out, errors):
            file.touch()  # what reads it need not wait for the process
        self._process = _forks.Process(target=_become, args=(command, out, errors, env))
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.is_alive():
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        self._process.join(seconds)
        status = self._process.exitcode
        if status is None:
            raise TimeoutExpired(str(self.pid), seconds)
        return status


def _become(command: list[str], out: Path, errors: Path, env: dict[str, str]) -> None:
    """Be the program, from its first line to what it wants done at its end."""
    os.setsid()
    for stream, path in ((sys.stdout, out), (sys.stderr, errors)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, stream.fileno())
        os.close(file)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
