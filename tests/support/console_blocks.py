"""The commands that a page of the documentation shows, as a reader would type them."""

import re
from collections.abc import Iterator
from pathlib import Path


def blocks(page: Path) -> list[list[tuple[str, list[str]]]]:
    """For each block: its commands without their comments, and the lines that each is said to print."""
    found = re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [list(_commands(block)) for block in found]


def _commands(block: str) -> Iterator[tuple[str, list[str]]]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        yield re.sub(r"\s{2,}#.*", "", command), lines
