"""Running a command of `tally` in this process."""

import io
import json
from typing import Any

from django.core.management import call_command


def command(*arguments: str) -> str:
    """What it prints."""
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def facts(*arguments: str) -> Any:
    """What it prints with `--json`."""
    return json.loads(command(*arguments, "--json"))
