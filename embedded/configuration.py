"""The configuration of supervisord."""

import shlex
from configparser import ConfigParser
from pathlib import Path

from embedded.leash import leashed
from embedded.system import System

SERVERS, PROGRAMS = "servers", "programs"
PROGRAM = {
    "autostart": "false",
    "autorestart": "true",
    # It would give up after so many failures in a row; the pause after each is a second longer than the last.
    "startretries": "1000000",
    # SIGTERM goes to the process alone, which stops its children itself; what is left is killed as a group.
    "stopwaitsecs": "30",
    "killasgroup": "true",
    "redirect_stderr": "true",
}


def write(path: Path, system: System, socket: Path) -> None:
    """All that `system` runs, in two groups: neither starts by itself, and PROGRAMS stop before SERVERS."""
    servers = {name: server.command for name, server in system.servers.items()}
    sections = _supervisord(system.home, socket)
    for priority, (group, commands) in enumerate({SERVERS: servers, PROGRAMS: system.programs}.items()):
        if commands:
            sections[f"group:{group}"] = {"programs": ",".join(commands), "priority": str(priority)}
        for name, command in commands.items():
            log = str(system.log(name)).replace("%", "%%")  # this one it interpolates twice
            sections[f"program:{name}"] = PROGRAM | {
                "command": shlex.join(leashed(command)),
                "stdout_logfile": log,
            }
    _save(path, sections)


def _supervisord(home: Path, socket: Path) -> dict[str, dict[str, str]]:
    return {
        "supervisord": {
            "nodaemon": "true",
            "silent": "true",
            "logfile": str(home / "logs" / "supervisord.log"),
            "pidfile": str(home / "supervisord.pid"),
        },
        "unix_http_server": {"file": str(socket)},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }


def _save(path: Path, sections: dict[str, dict[str, str]]) -> None:
    parser = ConfigParser(interpolation=None)
    # supervisord has an interpolation of its own.
    parser.read_dict(
        {
            section: {key: value.replace("%", "%%") for key, value in options.items()}
            for section, options in sections.items()
        }
    )
    with path.open("w") as file:
        parser.write(file)
