"""How long a call takes when calls come at a constant rate, whatever else goes on."""

import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from subprocess import DEVNULL, Popen

from bench.contenders import Contender
from bench.load import BATCH_IDS, Attack, attack, batch_attack, batched_ids_per_second, calls_per_second
from bench.machine import ROOT
from bench.measures.throughput import BATCH
from bench.reporting.progress import say
from bench.servers import Backing, web

RATE = 10_000
WARM_UP_SECONDS = 2
FLUSH, REWRITE = "a minute is being flushed", "the AOF is being rewritten"
HELLO, HOT, OVERLOAD = Contender.HELLO, Contender.HOT, f"{Contender.HOT}, twice what it can do"
BATCH_OVERLOAD = f"{BATCH}, twice what it can do"
ATTACKED = (HELLO, HOT)
"""The hello-world needs neither the flush nor Redis: what they do to it is the machine's part."""


Attacks = dict[str, list[Attack]]
"""By what was attacked, and when; what is said to be so many times is in turn."""


def while_(trouble: str, contender: Contender) -> str:
    """The name of the attack on a contender meanwhile."""
    return f"{contender}, {trouble}"


def measure(backing: Backing, seconds: float, ids: int, times: int) -> Attacks:
    """The same attack on the hello-world, and on the hot path in good times and bad."""
    seen: defaultdict[str, list[Attack]] = defaultdict(list)
    with _attacked(backing) as urls:
        for name, url in urls.items():
            say(name)
            seen[name].append(attack(url, RATE, seconds))
        say(OVERLOAD)
        sustainable = calls_per_second(urls[HOT], seconds)
        seen[OVERLOAD].append(attack(urls[HOT], int(2 * sustainable), seconds))
        say(BATCH_OVERLOAD)
        sustainable = batched_ids_per_second(urls[HOT], seconds) / BATCH_IDS
        seen[BATCH_OVERLOAD].append(batch_attack(urls[HOT], int(2 * sustainable), seconds))
        fill(ids)
        with rewriting(backing):
            for name, url in times * list(urls.items()):
                say(while_(REWRITE, name))
                seen[while_(REWRITE, name)].append(attack(url, RATE, seconds))
    return dict(seen)


def measure_flush(backing: Backing, seconds: float, ids: int, times: int) -> Attacks:
    """The attack while a minute of so many ids goes to Kafka."""
    seen: defaultdict[str, list[Attack]] = defaultdict(list)
    command = [sys.executable, "manage.py", "publish"]
    with _attacked(backing) as urls:
        for name, url in times * list(urls.items()):
            fill(ids)
            say(while_(FLUSH, name))
            with Popen(command, cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL) as flusher:
                seen[while_(FLUSH, name)].append(attack(url, RATE, seconds))
                if flusher.poll() is not None:
                    say("the flush was over before the attack: more ids are needed")
    return dict(seen)


def middle(attacks: Sequence[Attack]) -> Attack:
    """The one whose p99 is the median; of an even number the better one of the two."""
    return sorted(attacks, key=lambda attack: attack.p99)[(len(attacks) - 1) // 2]


@contextmanager
def _attacked(backing: Backing) -> Iterator[dict[Contender, str]]:
    """The urls of both, warm."""
    with ExitStack() as stack:
        urls = {name: stack.enter_context(web(name, backing.folder)).url for name in ATTACKED}
        for url in urls.values():
            attack(url, RATE, WARM_UP_SECONDS)
        yield urls


def fill(ids: int) -> None:
    """A minute of so many, over and sealed."""
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
