"""`python -m bench.manners [ROUNDS]`: accept calls while a minute is flushed, with manners and without."""

import sys
import time
from statistics import median
from subprocess import DEVNULL, Popen

from bench.contenders import Contender
from bench.load import CONNECTIONS, attack, calls_per_second
from bench.machine import ROOT, describe
from bench.measures.latency import RATE, WARM_UP_SECONDS, fill
from bench.reporting.progress import say
from bench.servers import fresh, web
from tasks.publishing.manners import POLITE_SECONDS

IDS, SECONDS, ROUNDS = 600_000, 6, 6
HOW = {"with manners": POLITE_SECONDS, "without": 0.0}
FLUSH = """
import django
django.setup()
from counter.redis.clients import connect
from tasks.publishing.flush import Flush
from tasks.publishing.manners import Manners
Flush(connect(), Manners({seconds})).run()
"""


def main(rounds: int) -> None:
    """Print each round and the medians; and how long a flush takes where calls want all of the machine."""
    p99s: dict[str, list[float]] = {how: [] for how in HOW}
    with fresh(kafka=True) as back, web(Contender.HOT, back.folder) as hot:
        attack(hot.url, RATE, WARM_UP_SECONDS)
        for number in range(rounds):
            for how in sorted(HOW, reverse=bool(number % 2)):
                fill(IDS)
                begin = time.perf_counter()
                with _flusher(how):
                    p99s[how].append(attack(hot.url, RATE, SECONDS).p99)
                say(f"{how}: p99 {p99s[how][-1]:.1f} ms, flush {time.perf_counter() - begin:.1f} s")
        fill(IDS)
        begin = time.perf_counter()
        with _flusher("with manners") as flusher:
            while flusher.poll() is None:
                calls_per_second(hot.url, SECONDS, CONNECTIONS)
        say(f"{CONNECTIONS} connections at full load: out in {time.perf_counter() - begin:.0f} s at most")
    print({how: round(median(of), 1) for how, of in p99s.items()}, describe())


def _flusher(how: str) -> Popen[bytes]:
    command = [sys.executable, "-c", FLUSH.format(seconds=HOW[how])]
    return Popen(command, cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL)


main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
