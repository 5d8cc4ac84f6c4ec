"""Apache Kafka's Java archives, from Maven Central: those that kafka.lock names."""

import fcntl
import hashlib
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import requests
from tenacity import before_sleep_log, retry, retry_if_exception_type, stop_after_attempt, wait_exponential

VERSION = "4.4.0"
LOCK = Path(__file__).with_name("kafka.lock")
CENTRAL = "https://repo.maven.apache.org/maven2"
TIMEOUT_SECONDS = 60
DOWNLOADS_AT_ONCE = 8

log = logging.getLogger(__name__)


def fetch(folder: Path) -> None:
    """Download every archive of kafka.lock into `folder`, unless that exists; raises OSError or RuntimeError.

    The folder appears when it is complete and checked: what is there may be used, whatever was interrupted.
    Of several processes one downloads, and the others wait for it.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            log.info("Downloading Apache Kafka %s ...", VERSION)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="download-") as name:
                jars = Path(name, "jars")
                jars.mkdir()
                _download(LOCK.read_text().splitlines(), jars)
                jars.rename(folder)


def _download(locked: list[str], folder: Path) -> None:
    with requests.Session() as session, ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for count, _ in enumerate(pool.map(partial(_save, session, folder), locked), start=1):
            if count % 10 == 0 or count == len(locked):
                log.info("    %d of %d files", count, len(locked))


def _save(session: requests.Session, folder: Path, line: str) -> None:
    coordinate, digest = line.split()
    archive = _archive(session, coordinate)
    if hashlib.sha256(archive).hexdigest() != digest:
        raise RuntimeError(f"the download of {coordinate} is not what kafka.lock says")
    _, name, version = coordinate.split(":")
    (folder / f"{name}-{version}.jar").write_bytes(archive)


@retry(
    retry=retry_if_exception_type((requests.ConnectionError, requests.Timeout)),
    wait=wait_exponential(),
    stop=stop_after_attempt(5),
    before_sleep=before_sleep_log(log, logging.WARNING),
    reraise=True,
)
def _archive(session: requests.Session, coordinate: str) -> bytes:
    """Of `group:artifact:version`."""
    group, name, version = coordinate.split(":")
    url = f"{CENTRAL}/{group.replace('.', '/')}/{name}/{version}/{name}-{version}.jar"
    answer = session.get(url, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    return answer.content
