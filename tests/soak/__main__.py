"""The soak: the whole of Tally under load and under faults, then the checker's verdict.

`python -m tests.soak [--seconds 60] [--seed N] [--cluster]`; its exit status is 0 when every promise held.
With `--cluster` on a Valkey Cluster of six nodes and on three Kafka brokers. With ACCEPT_SINK=kafka in event
mode: then minutes are real ones, and the audit counts all of them again, and finds one that is tampered with.
"""

import argparse
import atexit
import os
import random
import shutil
import signal
import sys
import time

os.environ["COUNTERS"] = "clicks,installs"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"  # also below a test, whose servers are not ours

import django

django.setup()

from counter.counters import counters  # noqa: E402
from counter.minute import Minute  # noqa: E402
from counter.mode import is_event_mode  # noqa: E402
from counter.redis.clients import connect  # noqa: E402  (needs Django's settings)
from project.celery import app  # noqa: E402
from tests.soak.nemesis import Nemesis  # noqa: E402
from tests.soak.recount import audit_all  # noqa: E402
from tests.soak.rival import rival  # noqa: E402
from tests.soak.servers import HOME, Servers, clusters, one_of_each  # noqa: E402
from tests.soak.stack import Stack, running_stack  # noqa: E402
from tests.support.callers.load import Load  # noqa: E402
from tests.support.checker import verify  # noqa: E402  (needs Django's settings)
from tests.support.processes import wait_until  # noqa: E402

CLIENTS = 6
END_MINUTE_SECONDS = 2.0
PROGRESS_SECONDS = 5.0 if not sys.stdout.isatty() else 0.5
TURN_SECONDS = 0.1
DRAIN_SECONDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--cluster", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # and leaves no process behind
    app.conf.broker_transport_options |= {"socket_timeout": 1, "socket_connect_timeout": 1}
    print(f"SEED={arguments.seed} SECONDS={arguments.seconds:.0f}", flush=True)
    try:
        with (clusters if arguments.cluster else one_of_each)() as servers:
            soak(servers, arguments.seconds, arguments.seed)
    except BaseException:
        atexit.unregister(shutil.rmtree)
        print(f"logs and data: {HOME}")
        raise


def soak(servers: Servers, seconds: float, seed: int) -> None:
    """Raises AssertionError when a promise was broken, saying which."""
    with rival(servers.env) as other, running_stack(servers) as stack:
        nemesis = Nemesis(stack, other, seed)
        with Load(stack.url, CLIENTS, seed=seed, counters=counters()) as load:
            try:
                torment(stack, nemesis, load, seconds)
            finally:
                nemesis.heal_all()
        judge(stack, nemesis, load)
        other.judge()


def torment(stack: Stack, nemesis: Nemesis, load: Load, seconds: float) -> None:
    begin = ended = shown = time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        stack.keep()
        nemesis.act()
        if now > ended + END_MINUTE_SECONDS:
            ended = now
            stack.end_minute()
        if now > shown + PROGRESS_SECONDS:
            shown = now
            show(now - begin, nemesis, load)
        time.sleep(TURN_SECONDS)


def show(seconds: float, nemesis: Nemesis, load: Load) -> None:
    """The live line."""
    calls, faults = load.calls, nemesis.faults
    line = f"{seconds:5.0f} s  {calls.total('ok'):>8} ok  {calls.total('unknown'):>6} unknown"
    print(f"{line}  {faults.total():>4} faults", end="\r" if sys.stdout.isatty() else "\n", flush=True)


def judge(stack: Stack, nemesis: Nemesis, load: Load) -> None:
    """Raises AssertionError unless every promise was kept.

    What can still count or publish is ended first: a minute that is published between the looks at Redis and
    at Kafka would be seen in both.
    """

    def drained() -> bool:
        stack.keep()
        time.sleep(1)
        return stack.is_drained()

    stack.end("web")
    wait_until(drained, "all that was accepted is published", DRAIN_SECONDS)
    stack.end_programs()
    calls = load.calls
    with connect() as client:
        seen = verify(calls, client)
    if is_event_mode():
        first, last = (Minute.parse(seen.unique_counts[n][0]) for n in (0, -1))
        with connect() as client:
            audit_all(client, first, last)
    for name, count in sorted(nemesis.faults.items()):
        print(f"{count:5}  {name}")
    print(
        f"{calls.total('ok')} calls acknowledged, {calls.total('unknown')} of unknown outcome,"
        f" {len(seen.unique_counts)} minutes published, {nemesis.faults.total()} faults:"
        " nothing lost, nothing doubled"
    )


main()
