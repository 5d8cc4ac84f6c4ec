"""What a test needs that neither Python nor a package of its brings along; `.ci/run` installs it."""

import os
import shutil
from pathlib import Path

import pytest

FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where servers are, though not on everybody's PATH."""


def program(name: str, package: str, folders: str = FOLDERS) -> str:
    """The path of a program of the machine's. Without it the test is skipped, and in CI it fails."""
    path = shutil.which(name) or shutil.which(name, path=folders)
    if not path:
        reason = f"no {name} on the PATH: install it, for example with apt-get install {package}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return path


def program_of_postgres(name: str) -> str:
    """The same for one of PostgreSQL's, of which Debian puts each version into a folder of its own."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return program(name, "postgresql", ":".join(map(str, folders)) or FOLDERS)
