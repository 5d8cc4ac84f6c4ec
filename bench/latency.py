"""How long a call takes when calls come at a constant rate, whatever else goes on."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import DEVNULL, Popen

from bench.load import Attack, attack, calls_per_second
from bench.machine import ROOT
from bench.progress import say
from bench.servers import Backing, Contender, web

RATE = 10_000
WARM_UP_SECONDS = 2
HELLO, HOT, FLUSH, REWRITE, OVERLOAD = (
    "hello-world",
    "hot path",
    "hot path, a minute is being flushed",
    "hot path, the AOF is being rewritten",
    "hot path, twice what it can do",
)


def measure(backing: Backing, seconds: float, ids: int) -> dict[str, Attack]:
    """The same attack on the hello-world, and on the hot path in good times and bad."""
    seen = {}
    with web(Contender.HELLO, backing.folder) as hello, web(Contender.HOT, backing.folder) as hot:
        for url in (hello.url, hot.url):
            attack(url, RATE, WARM_UP_SECONDS)
        say(HELLO)
        seen[HELLO] = attack(hello.url, RATE, seconds)
        say(HOT)
        seen[HOT] = attack(hot.url, RATE, seconds)
        say(OVERLOAD)
        sustainable = calls_per_second(hot.url, seconds)
        seen[OVERLOAD] = attack(hot.url, int(2 * sustainable), seconds)
        _fill(ids)
        with rewriting(backing):
            say(REWRITE)
            seen[REWRITE] = attack(hot.url, RATE, seconds)
    return seen


def measure_flush(backing: Backing, seconds: float, ids: int) -> Attack:
    """The attack while a minute of so many ids goes to Kafka."""
    with web(Contender.HOT, backing.folder) as hot:
        attack(hot.url, RATE, WARM_UP_SECONDS)
        _fill(ids)
        say(FLUSH)
        command = [sys.executable, "manage.py", "flush"]
        with Popen(command, cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL) as flusher:
            seen = attack(hot.url, RATE, seconds)
            if flusher.poll() is not None:
                say("the flush was over before the attack: more ids are needed")
        return seen


def _fill(ids: int) -> None:
    say(f"a minute of {ids} ids")
    command = [sys.executable, "-m", "bench.flush", str(ids), "fill"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=DEVNULL)


@contextmanager
def rewriting(backing: Backing) -> Iterator[None]:
    """The append-only file is rewritten, again and again."""
    done = threading.Event()

    def rewrite() -> None:
        while not done.wait(0.1):
            if not backing.client.info("persistence")["aof_rewrite_in_progress"]:
                backing.client.bgrewriteaof()

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
