"""What calls the contenders: wrk as fast as it is answered, vegeta at a constant rate whatever happens."""

import base64
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE

from bench.machine import CACHE
from bench.reporting.progress import say
from counter.accepting import accept_call
from counter.accepting.batches import batch_call

HERE = Path(__file__).parent
CONNECTIONS = 256
MANY_CONNECTIONS = 1024
BATCH_CONNECTIONS = 16
BATCH_IDS = 1000
VEGETA = "github.com/tsenart/vegeta/v12@v12.12.0"
WORKERS = 512
"""Of vegeta: the calls that may be under way. Without a bound it ends as the slowest part of all."""

PATIENCE_SECONDS = 10
"""For one answer: the slow contenders answer hundreds of callers late, and that is a rate, too."""

CALLS, BATCH_CALLS = 100_000, 500
"""Distinct ones, sent in turn."""


class Missing(Exception):
    """A program that a measurement needs; says how to get it."""


def program(name: str, package: str = "") -> str:
    """The path of a program, which is installed if need be and that can be done. Raises Missing."""
    package = package or name
    if not _which(name) and os.geteuid() == 0 and (apt := shutil.which("apt-get")):
        say(f"installing {package}")
        subprocess.run(
            [apt, "install", "-y", "-qq", "--no-install-recommends", package], stdout=DEVNULL, check=False
        )
    if not (found := _which(name)):
        raise Missing(f"{name} is missing: apt-get install {package}, or brew install {package}")
    return found


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


def calls_per_second(
    url: str, seconds: float, connections: int = CONNECTIONS, script: str = "ids.lua"
) -> float:
    """Answered accept calls a second, in a closed loop."""
    return _wrk(script, url, seconds, connections)


def batched_ids_per_second(url: str, seconds: float) -> float:
    """Ids a second by the batch call, a thousand a call."""
    return BATCH_IDS * _wrk("batches.lua", url, seconds, BATCH_CONNECTIONS)


def increments_per_second(port: int, count: int) -> float:
    """INCR of random keys of a million, a thousand in one pipeline: what the server itself can do."""
    command = [program("redis-benchmark", "redis-tools"), "-p", str(port), "-t", "incr", "-r", "1000000"]
    output = _run([*command, "-n", str(count), "-P", "1000", "-q", "--csv"])
    return float(output.splitlines()[-1].split(",")[1].strip('"'))


def _wrk(script: str, url: str, seconds: float, connections: int) -> float:
    threads = min(2, connections)
    options = [f"-t{threads}", f"-c{connections}", f"-d{seconds:.0f}s", f"--timeout={PATIENCE_SECONDS}s"]
    output = _run([program("wrk"), *options, "-s", str(HERE / script), url])
    if refused := re.search(r"Non-2xx.*|Socket errors.*", output):
        raise RuntimeError(f"{url}: {refused[0]}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", output)
    assert rate, output
    return float(rate[1])


@dataclass(frozen=True)
class Attack:
    """What became of calls that came at a constant rate. Milliseconds."""

    rate: float
    p50: float
    p99: float
    worst: float
    answered: float
    """`ok` a second"""
    statuses: dict[str, int]


def attack(url: str, rate: int, seconds: float) -> Attack:
    """Call at a constant rate: an open model, in which a slow answer holds no later call back."""
    ids = random.Random(1)
    calls = [f"{url}{accept_call.PATH}?id={ids.randrange(10**6)}" for _ in range(CALLS)]
    return _attack([{"method": "GET", "url": call} for call in calls], rate, seconds)


def batch_attack(url: str, rate: int, seconds: float) -> Attack:
    """The same with batch calls of a thousand ids each."""
    ids = random.Random(1)
    bodies = [json.dumps({"ids": ids.choices(range(10**6), k=BATCH_IDS)}) for _ in range(BATCH_CALLS)]
    header = {"Content-Type": [batch_call.JSON]}
    target = {"method": "POST", "url": f"{url}{batch_call.PATH}", "header": header}
    encoded = (base64.b64encode(body.encode()).decode() for body in bodies)
    return _attack([target | {"body": body} for body in encoded], rate, seconds)


def _attack(targets: Sequence[Mapping[str, object]], rate: int, seconds: float) -> Attack:
    vegeta, lines = _vegeta(), "".join(f"{json.dumps(target)}\n" for target in targets)
    options = [
        "-format=json",
        f"-rate={rate}",
        f"-duration={seconds:.0f}s",
        f"-max-workers={WORKERS}",
        f"-connections={WORKERS}",
    ]
    answers = subprocess.run([vegeta, "attack", *options], input=lines.encode(), stdout=PIPE, check=True)
    encoded = subprocess.run([vegeta, "report", "-type=json"], input=answers.stdout, stdout=PIPE, check=True)
    report = json.loads(encoded.stdout)
    latencies, statuses = report["latencies"], report["status_codes"]
    p50, p99, worst = (latencies[name] / 1e6 for name in ("50th", "99th", "max"))
    return Attack(
        report["rate"], p50, p99, worst, statuses.get("200", 0) / (report["duration"] / 1e9), statuses
    )


def _vegeta() -> str:
    if found := shutil.which("vegeta"):
        return found
    built = CACHE / "vegeta"
    if not built.exists():
        if not (go := shutil.which("go")):
            raise Missing("vegeta is missing: install Go, or vegeta itself")
        subprocess.run([go, "install", VEGETA], env=os.environ | {"GOBIN": str(CACHE)}, check=True)
    return str(built)


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
