"""The engines: how each is started, where its numbers are read, and what its user writes."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import requests

from bench.compare.stream import EVENTS
from bench.compare.told import InFile, InRedis, InTopic, Told
from bench.contenders import EVENT_MODE
from bench.load import Missing
from bench.machine import CACHE, ROOT
from bench.reporting.progress import say
from bench.servers import Backing
from counter.kafka.client import REQUESTS
from counter.version import VERSION
from embedded import jars

PROGRAMS = Path(__file__).parent / "programs"
QUIX = ROOT / "docs" / "examples" / "quixstreams"
FLINK_COUNTS = "flink-counts"
CONNECTOR = "org/apache/flink/flink-sql-connector-kafka/5.0.0-2.2/flink-sql-connector-kafka-5.0.0-2.2.jar"


@dataclass
class Engine:
    """One that counts unique ids a minute."""

    name: str
    commands: list[list[str]]
    told: Callable[[], Told]
    topic: str
    """Which it reads"""
    lines: int
    """What a user writes: code, SQL or settings, without comments and empty lines"""
    closes: bool
    """Whether it says a minute's number once, when the minute is over; else it says what it has so far"""
    state: list[int] = field(default_factory=list)
    """Process ids of the server that keeps its state, where that is another one"""


def engines(back: Backing) -> list[Engine]:
    """All of them, ready to be started. Raises Missing."""
    brokers, folder = os.environ["KAFKA_BOOTSTRAP_SERVERS"], back.folder
    valkey = back.pids[0]
    for name in ("flink", "clickhouse"):
        (folder / name).mkdir()
    tally = ["env", EVENT_MODE, sys.executable, "-m", "tally"]
    return [
        Engine(
            f"Tally {VERSION}, event mode",
            [[*tally, name] for name in ("consolidate", "worker", "beat")],
            lambda: InTopic(brokers, "unique-counts"),
            REQUESTS,
            lines=1,
            closes=True,
            state=[valkey],
        ),
        Engine(
            f"Flink SQL {_version('flink')}",
            [
                [
                    "env",
                    f"JAVA_HOME={_java()}",
                    *_python("flink", "flink.py", brokers, _connector(), folder / "flink"),
                ]
            ],
            lambda: InTopic(brokers, FLINK_COUNTS),
            EVENTS,
            lines=_lines(PROGRAMS / "flink.sql", PROGRAMS / "flink.py"),
            closes=True,
        ),
        Engine(
            f"Quix Streams {_version('quix')}",
            [["env", "-C", str(folder), *_python("quix", QUIX / "count_minutes.py", brokers)]],
            lambda: InTopic(brokers, "quix-unique-counts"),
            REQUESTS,
            lines=_lines(QUIX / "count_minutes.py"),
            closes=False,
        ),
        Engine(
            "Redis HyperLogLog",
            [[sys.executable, str(PROGRAMS / "hyperloglog.py"), brokers, os.environ["REDIS_URL"]]],
            lambda: InRedis(back.client),
            EVENTS,
            lines=_lines(PROGRAMS / "hyperloglog.py"),
            closes=False,
            state=[valkey],
        ),
        Engine(
            f"ClickHouse uniqExact, chDB {_version('clickhouse')}",
            [_python("clickhouse", "clickhouse.py", brokers, folder / "clickhouse")],
            lambda: InFile(folder / "clickhouse" / "counts.json"),
            EVENTS,
            lines=_lines(PROGRAMS / "clickhouse.py"),
            closes=False,
        ),
    ]


_REQUIREMENTS = {
    "flink": ROOT / "docs" / "recipes" / "flink" / "requirements.txt",
    "quix": QUIX / "requirements.txt",
    "clickhouse": ROOT / "docs" / "recipes" / "clickhouse" / "requirements.txt",
}
_PACKAGES = {"flink": "apache-flink", "quix": "quixstreams", "clickhouse": "chdb"}


def _home(name: str) -> Path:
    """A Python of its own with what the engine needs, made once."""
    home = CACHE / name
    if not (home / "ready").exists():
        say(f"installing {_PACKAGES[name]}")
        shutil.rmtree(home, ignore_errors=True)
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
        install = [uv, "pip", "install", "--quiet", "--requirement", str(_REQUIREMENTS[name])]
        subprocess.run(install, check=True, env=os.environ | {"VIRTUAL_ENV": str(home)})
        (home / "ready").touch()
    return home


def _python(name: str, program: str | Path, *arguments: str | Path) -> list[str]:
    return [str(_home(name) / "bin" / "python"), str(PROGRAMS / program), *map(str, arguments)]


def _version(name: str) -> str:
    site = next((_home(name) / "lib").glob("python3*")) / "site-packages"
    [found] = importlib.metadata.distributions(name=_PACKAGES[name], path=[str(site)])
    return found.version


def _java() -> Path:
    """The home of a Java that Flink runs on."""
    java = shutil.which("java")
    told = (
        subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr if java else ""
    )
    if not java or not re.search(r'version "(17|21)', told):
        raise Missing(
            "Flink needs Java 17 or 21: apt-get install openjdk-17-jre-headless, or brew install openjdk@21"
        )
    return Path(java).resolve().parents[1]


def _connector() -> Path:
    """Flink's connector for Kafka."""
    path = CACHE / Path(CONNECTOR).name
    if not path.exists():
        path.write_bytes(requests.get(f"{jars.CENTRAL}/{CONNECTOR}", timeout=120).content)
    return path


def _lines(*files: Path) -> int:
    """Without comments, docstrings and empty lines."""
    text = "\n".join(re.sub(r'""".*?"""', "", file.read_text(), flags=re.DOTALL) for file in files)
    return sum(1 for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
