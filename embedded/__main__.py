"""`make run`: the whole system on this machine, until Ctrl-C."""

import logging
import os
import signal
import subprocess
import sys
from types import FrameType
from typing import NoReturn

from embedded.configuration import PROGRAMS, SERVERS
from embedded.leash import leashed
from embedded.supervision import Supervision, SupervisorDiedError, supervising
from embedded.system import ROOT, CannotRunError, System

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BANNER = """
Tally is running. Ctrl-C stops it.

    accept a call      curl '{url}/api/verve/accept?id=42'
    all calls          {url}/api/docs/
    console            {url}/admin/
    data and logs      {home}
"""

OPEN = """\
Everybody who reaches {host}, port {port}, may count: set ACCEPT_TOKEN, or leave BIND_HOST out.
"""

log = logging.getLogger("embedded")


def main() -> None:
    """Run until a signal says stop; exits with status 1 and one line if that is not possible."""
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    os.umask(0o077)  # of all that is started from here
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _stop)
    try:
        system = System()
        with system.claimed():
            system.prepare()
            while True:
                _run(system)
    except CannotRunError as error:
        log.error("%s.", error)
        sys.exit(1)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Once is enough: the next would break the orderly stop.
    for other in STOP_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    log.info("Stopping ...")
    sys.exit(0)


def _run(system: System) -> None:
    try:
        with supervising(system) as supervision:
            _start(system, supervision)
            log.info(BANNER.format(url=system.url, home=system.home))
            if system.is_open:
                log.warning(OPEN.format(host=system.host, port=system.port))
            while True:
                supervision.watch()
    except SupervisorDiedError:
        log.error("supervisord died; starting again.")


def _start(system: System, supervision: Supervision) -> None:
    if system.servers:
        supervision.start(SERVERS)
    for name, server in system.servers.items():
        supervision.wait_until(server.is_ready, name)
    _manage(system, "create_topics")
    _manage(system, "migrate", "--verbosity", "0")
    _manage(system, "set_buckets")
    _manage(system, "ensure_admin")
    supervision.start(PROGRAMS)
    supervision.wait_until(system.is_ready, "web")


def _manage(system: System, *arguments: str) -> None:
    command = leashed([sys.executable, "manage.py", *arguments])
    # In a session of its own, for Ctrl-C would make it print a traceback.
    done = subprocess.run(command, cwd=ROOT, env=system.environment, start_new_session=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotRunError(f"manage.py {arguments[0]} failed")


main()
