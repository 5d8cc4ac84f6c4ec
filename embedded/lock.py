"""`python -m embedded.lock` writes kafka.lock anew: what Apache Kafka needs at run time."""

import hashlib
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

from embedded.jars import LOCK, TIMEOUT_SECONDS, VERSION

# Kafka leaves it to whoever runs it to bring a backend for its logs.
COORDINATES = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.apache.logging.log4j:log4j-slf4j-impl:2.26.1")


def lock() -> str:
    """One line `group:artifact:version sha256` for every archive that is needed at run time."""
    with tempfile.TemporaryDirectory() as name:
        context = MavenContext(repo_cache=Path(name), timeout=TIMEOUT_SECONDS)
        # One by one: resolved together, the second's constraints would replace versions of the first's.
        needed = sorted({archive for coordinate in COORDINATES for archive in _resolve(context, coordinate)})
        return "".join(f"{archive} {_sha256(context, archive)}\n" for archive in needed)


def _resolve(context: MavenContext, coordinate: str) -> list[str]:
    itself, needed = context.resolver.resolve([context.create_dependency(coordinate)])
    used = itself + [dependency for dependency in needed if dependency.scope in ("compile", "runtime")]
    return [f"{one.groupId}:{one.artifactId}:{one.version}" for one in used]


def _sha256(context: MavenContext, coordinate: str) -> str:
    archive: Path = context.create_dependency(coordinate).artifact.resolve()
    return hashlib.sha256(archive.read_bytes()).hexdigest()


if __name__ == "__main__":
    LOCK.write_text(lock())
