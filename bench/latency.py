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
    with web(Contender.HELLO, backing.folder) as hello, web(Contender.HOT, backing.folder) as hot:
        for url in (hello.url, hot.url):
            attack(url, RATE, WARM_UP_SECONDS)
        seen = {}
        say(HELLO)
        seen[HELLO] = attack(hello.url, RATE, seconds)
        say(HOT)
        seen[HOT] = attack(hot.url, RATE, seconds)
        say(f"a minute of {ids} ids")
        subprocess.run(
            [sys.executable, "-m", "bench.flush", str(ids), "fill"],
            cwd=ROOT,
            check=True,
            stdout=DEVNULL,
        )
        with rewriting(backing):
            say(REWRITE)
            seen[REWRITE] = attack(hot.url, RATE, seconds)
        say(FLUSH)
        with Popen(
            [sys.executable, "manage.py", "flush"], cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL
        ) as flusher:
            seen[FLUSH] = attack(hot.url, RATE, seconds)
            assert flusher.poll() is None, "the flush must go on as long as the attack"
        say(OVERLOAD)
        sustainable = calls_per_second(hot.url, seconds)
        seen[OVERLOAD] = attack(hot.url, int(2 * sustainable), seconds)
        return seen


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
