"""`python -m embedded.class_cache`: Kafka's classes, loaded and linked ahead of time.

A Kafka that finds them takes half of the processor time to start, which counts where many are started, as by
the tests. Java makes the file when a server ends (https://openjdk.org/jeps/514); one that it can't use is
passed over.
"""

import logging
import subprocess
import tempfile
import time
from pathlib import Path

from embedded import jars
from embedded.kafka import ARCHIVES, QUICK, Kafka, class_cache
from embedded.ports import free_port

START_SECONDS = 120

log = logging.getLogger(__name__)


def main() -> None:
    """Make them, unless they are there. Raises OSError or RuntimeError."""
    made = class_cache(ARCHIVES)
    if made.exists():
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    jars.fetch(ARCHIVES / jars.VERSION)
    log.info("Loading Kafka's classes ahead of time ...")
    with tempfile.TemporaryDirectory(dir=made.parent) as name:
        unfinished = Path(name, made.name)
        _run(Path(name, "kafka"), f"-XX:AOTCacheOutput={unfinished}")
        if unfinished.exists():
            unfinished.replace(made)
        else:
            log.warning("Java made none: Kafka will start without")


def _run(home: Path, option: str) -> None:
    """A server from its start to its end."""
    kafka = Kafka(home, free_port())
    kafka.prepare()
    command = Kafka(home, kafka.port, jvm=(*QUICK, option)).command
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:  # noqa: S603
        deadline = time.monotonic() + START_SECONDS
        while not kafka.is_ready() and time.monotonic() < deadline:
            time.sleep(0.1)
        running.terminate()


if __name__ == "__main__":
    main()
