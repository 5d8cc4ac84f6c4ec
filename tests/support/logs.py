"""What programs log."""

import json
from pathlib import Path
from typing import Any


def lines(log: Path) -> list[dict[str, Any]]:
    """All of them: one that is not JSON fails. The last may not be complete yet."""
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
