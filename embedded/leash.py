"""No process outlives the run, whichever is killed. On Linux; elsewhere only an orderly stop ends them all.

`python leash.py command …` becomes the command, and is asked to stop when its parent dies. That can't reach
further than one generation: so the run also adopts every descendant that loses its parent, and ends it.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def leashed(command: list[str]) -> list[str]:
    """The command, to be sent SIGTERM when the process that starts it dies."""
    return [sys.executable, "-IS", str(Path(__file__).absolute()), *command]


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own."""
    _control(PR_SET_CHILD_SUBREAPER, 1)


def end_orphans(child: int) -> None:
    """Kill all that has been adopted, which is every child of this process but `child`."""
    while orphans := _children() - {child}:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def _children() -> set[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return {int(pid) for pid in path.read_text().split()} if path.exists() else set()


if __name__ == "__main__":
    _control(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
