"""What a broker writes to its disk, and when it has the disk keep it, as strace sees it."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT

from tests.support import needs
from tests.support.processes import wait_until

CALLS = ("write", "writev", "pwrite64", "pwritev", "fsync", "fdatasync")
_call = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\(\d+<(.+?)>[,)< ]| resumed>)").match
_topic = re.compile(r".*/([^/]+)-\d+/\d+\.log").fullmatch


@dataclass
class Trace:
    """How often each topic was written to; and how often its thread went on before that was on disk."""

    appended: Counter[str] = field(default_factory=Counter)
    flushed: Counter[str] = field(default_factory=Counter)
    answered_early: set[str] = field(default_factory=set)
    """Topics with something not yet on disk when a caller got an answer"""


@contextmanager
def tracing(pid: int, log: Path) -> Iterator[None]:
    """All of a process's writes and flushes meanwhile, in `log`."""
    options = ("-f", "-yy", "-s", "0", "-e", f"trace={','.join(CALLS)}", "-o", str(log), "-p", str(pid))
    command = [needs.program("strace", "strace"), *options]
    with log.with_suffix(".err").open("w") as errors:
        process = subprocess.Popen(command, stderr=errors)
    try:
        wait_until(lambda: "attached" in log.with_suffix(".err").read_text(), "strace looks on")
        yield
    finally:
        process.send_signal(SIGINT)
        process.wait(30)


def read(log: Path, ports: set[int]) -> Trace:
    """What the log shows; `ports` are the callers'."""
    trace = Trace()
    dirty: dict[str, str] = {}
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        if not (found := _call(line)):
            continue
        thread, call, path = found[1], found[2], found[3] or begun.pop(found[1], "")
        if line.endswith("<unfinished ...>"):
            begun[thread] = path
            if call in {"fsync", "fdatasync"}:
                continue  # not yet
        if call in {"fsync", "fdatasync"}:
            if (topic := _topic(path)) and dirty.get(thread) == topic[1]:
                trace.flushed[topic[1]] += 1
                del dirty[thread]
        elif topic := _topic(path):
            if "resumed>" not in line:
                trace.appended[topic[1]] += 1
                dirty[thread] = topic[1]
        elif any(f":{port}]" in path for port in ports):
            trace.answered_early.update(dirty.values())
    return trace
