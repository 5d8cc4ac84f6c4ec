"""Apache Kafka's Java archives, from Maven Central. `python -m embedded.jars` writes kafka.lock anew."""

import fcntl
import hashlib
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from jgo.maven import MavenContext
from tenacity import before_sleep_log, retry, retry_if_exception_type, stop_after_attempt, wait_exponential

VERSION = "4.1.1"
# Kafka leaves it to whoever runs it to bring a backend for its logs.
COORDINATES = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3")
LOCK = Path(__file__).with_name("kafka.lock")
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
                _download(LOCK.read_text().splitlines(), Path(name))
                Path(name, "jars").rename(folder)


def lock() -> str:
    """One line `group:artifact:version sha256` for every archive that is needed at run time."""
    with tempfile.TemporaryDirectory() as name:
        context = MavenContext(repo_cache=Path(name), timeout=TIMEOUT_SECONDS)
        # One by one: resolved together, the second's constraints would replace versions of the first's.
        needed = sorted({archive for coordinate in COORDINATES for archive in _resolve(context, coordinate)})
        return "".join(f"{archive} {_sha256(_archive(context, archive))}\n" for archive in needed)


def _download(locked: list[str], target: Path) -> None:
    context = MavenContext(repo_cache=target / "cache", timeout=TIMEOUT_SECONDS)
    jars = target / "jars"
    jars.mkdir()

    def one(line: str) -> None:
        coordinate, digest = line.split()
        archive = _archive(context, coordinate)
        if _sha256(archive) != digest:
            raise RuntimeError(f"the download of {coordinate} is not what kafka.lock says")
        archive.rename(jars / archive.name)

    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for count, _ in enumerate(pool.map(one, locked), start=1):
            if count % 10 == 0 or count == len(locked):
                log.info("    %d of %d files", count, len(locked))


def _resolve(context: MavenContext, coordinate: str) -> list[str]:
    itself, needed = context.resolver.resolve([context.create_dependency(coordinate)])
    used = itself + [dependency for dependency in needed if dependency.scope in ("compile", "runtime")]
    return [f"{one.groupId}:{one.artifactId}:{one.version}" for one in used]


@retry(
    retry=retry_if_exception_type((requests.ConnectionError, requests.Timeout)),
    wait=wait_exponential(),
    stop=stop_after_attempt(5),
    before_sleep=before_sleep_log(log, logging.WARNING),
    reraise=True,
)
def _archive(context: MavenContext, coordinate: str) -> Path:
    return context.create_dependency(coordinate).artifact.resolve()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    LOCK.write_text(lock())
