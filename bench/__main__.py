"""Measure the contenders in turn, several times over, and print one table of medians and ratios."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import redis

from bench.load import NoWrk, calls_per_second
from embedded.ports import free_port
from embedded.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
QUICK = bool(os.environ.get("QUICK"))
ROUNDS, SECONDS = (3, 3) if QUICK else (7, 8)
BASE = "hello-world"


def main() -> None:
    """Exit with status 1 and one line where wrk is missing."""
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder, ExitStack() as stack:
        valkey = Valkey(Path(folder), free_port())
        valkey.prepare()
        stack.enter_context(process(valkey.command))
        client = redis.Redis.from_url(valkey.url)
        wait(valkey.is_ready)
        env = {"REDIS_URL": valkey.url, "SECRET_KEY": "bench", "TALLY_HOME": folder}
        hello = stack.enter_context(web("bench.hello:application", "asgi", env))
        hot = stack.enter_context(web("project.asgi:application", "asgi", env))
        django = stack.enter_context(web("project.wsgi:application", "wsgi", env))
        contenders = {
            BASE: (hello, "always"),
            "hot path, appendfsync always": (hot, "always"),
            "hot path, appendfsync everysec": (hot, "everysec"),
            "Django's view": (django, "always"),
        }
        rates: dict[str, list[float]] = {name: [] for name in contenders}
        try:
            for turn in range(ROUNDS):
                for name, (url, fsync) in contenders.items():
                    client.flushall()
                    client.config_set("appendfsync", fsync)
                    rates[name].append(calls_per_second(url, SECONDS))
                print(f"round {turn + 1} of {ROUNDS}", file=sys.stderr)
        except NoWrk as missing:
            sys.exit(str(missing))
    show(rates)


def show(rates: dict[str, list[float]]) -> None:
    """The table. The ratio is the median over rounds, so that it holds where the machine's speed drifts."""
    print(f"\n{'contender':32} {'calls/s':>8} {'least':>8} {'most':>8} {'÷ ' + BASE:>14}")
    for name, of in rates.items():
        ratio = statistics.median(rate / base for rate, base in zip(of, rates[BASE], strict=True))
        print(f"{name:32} {statistics.median(of):8.0f} {min(of):8.0f} {max(of):8.0f} {ratio:14.2f}")


@contextmanager
def process(command: list[str], env: dict[str, str] | None = None) -> Iterator[None]:
    """Running for the length of a `with`."""
    running = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | (env or {}), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        running.terminate()
        running.wait()


@contextmanager
def web(app: str, interface: str, env: dict[str, str]) -> Iterator[str]:
    """A web server like that of `make run`; its url."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--interface", interface, "--workers", "2", "--loop", "uvloop", "--no-ws", "--port", str(port)]
    with process([sys.executable, "-m", "granian", *options, app], env):
        wait(lambda: answers(url))
        yield url


def answers(url: str) -> bool:
    """Whether calls are answered there."""
    try:
        return httpx.get(f"{url}/api/verve/accept?id=1").text == "ok"
    except httpx.HTTPError:
        return False


def wait(holds: Callable[[], bool]) -> None:
    """Until it holds."""
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            sys.exit("a server did not start")
        time.sleep(0.05)


main()
