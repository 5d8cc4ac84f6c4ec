"""`make run`: the whole system on this machine, until Ctrl-C."""

import argparse
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
from embedded.system import CannotRunError, System

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
    parser = argparse.ArgumentParser("tally run", description="Run all of Tally until Ctrl-C.")
    parser.add_argument("--no-login", action="store_true", help="make no login of the console yet")
    has_login = not parser.parse_args().no_login
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
                _run(system, has_login)
    except CannotRunError as error:
        log.error("%s.", error)
        sys.exit(1)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Once is enough: the next would break the orderly stop.
    for other in STOP_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    log.info("Stopping ...")
    sys.exit(0)


def _run(system: System, has_login: bool) -> None:
    try:
        with supervising(system) as supervision:
            _start(system, supervision, has_login)
            log.info(BANNER.format(url=system.url, home=system.home))
            if system.is_open:
                log.warning(OPEN.format(host=system.host, port=system.port))
            while True:
                supervision.watch()
    except SupervisorDiedError:
        log.error("supervisord died; starting again.")


def _start(system: System, supervision: Supervision, has_login: bool) -> None:
    if system.servers:
        supervision.start(SERVERS)
    _manage(system, "migrate", "--verbosity", "0", "--skip-checks")  # which needs none of them
    for name, server in system.servers.items():
        supervision.wait_until(server.is_ready, name)
    _manage(system, "setup", "--verbosity", "0", *["--login"] * has_login)
    supervision.start(PROGRAMS, "web")  # alone, so that it is the first
    supervision.wait_until(system.is_ready, "web")
    supervision.start(PROGRAMS)


def _manage(system: System, *arguments: str) -> None:
    command = leashed([sys.executable, "-m", "tally", *arguments])
    # In a session of its own, for Ctrl-C would make it print a traceback.
    done = subprocess.run(command, env=system.environment, start_new_session=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotRunError(f"tally {arguments[0]} failed")


main()
