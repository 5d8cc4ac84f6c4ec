"""The whole system as `make run` runs it, with a home and ports of its own."""

import sys
from pathlib import Path

import httpx
import psutil

from embedded.ports import free_port
from tests.support.processes import Process

# A word of the command line, and how many processes have it.
PROGRAMS = {
    "supervisord": 1,
    "valkey-server": 1,
    "kafka.Kafka": 1,
    "tally web": 3,
    "tally worker": 3,
    "tally callbacks": 1,
    "tally beat": 1,
}


class Run(Process):
    """With a home and ports of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.home = folder / "home"
        self.ports = {name: free_port() for name in ("PORT", "REDIS_PORT", "KAFKA_PORT")}
        ports = {name: str(port) for name, port in self.ports.items()}
        env = {"TALLY_HOME": str(self.home)} | ports | settings
        super().__init__([sys.executable, "-m", "embedded"], folder / "log", env)

    def is_up(self) -> bool:
        """Whether it accepts calls, and has every process once."""
        lines = [command_line(process) for process in self.processes()]
        counts = {program: sum(program in line for line in lines) for program in PROGRAMS}
        return counts == PROGRAMS and self.is_ready()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports['PORT']}/readyz", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def processes(self, program: str = "") -> list[psutil.Process]:
        """All below it (of one program), parents before their children."""
        below = psutil.Process(self.pid).children(recursive=True)
        return [process for process in below if program in command_line(process)]


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""  # it has just died


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)
