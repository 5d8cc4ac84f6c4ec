"""The corpus: queries that each did something that no query before them had done, one in a file.

`make fuzz` adds to it, and what it has found once is tried again by each run of the tests from then on.
"""

import os
import re
from hashlib import sha256
from pathlib import Path

from counter.accepting.accept_call import BadCall, parse_call

FOLDER = Path(__file__).parent / "corpus"
GROWS = "EXAMPLES" in os.environ
"""Only a run that somebody asks for changes files of the project."""


def queries() -> list[bytes]:
    """All, in the same order every time."""
    return [path.read_bytes() for path in sorted(FOLDER.iterdir())]


def keep(query: bytes) -> None:
    """Add the query, if none in the corpus comes to the same in the same way."""
    group = f"{_outcome(query)}-{_manner(query)}"
    if GROWS and not list(FOLDER.glob(f"{group}-*")):
        (FOLDER / f"{group}-{sha256(query).hexdigest()[:8]}").write_bytes(query)


def _outcome(query: bytes) -> str:
    """What becomes of the call: why it is refused, or what is counted."""
    try:
        call = parse_call(query)
    except BadCall as error:
        return re.sub(r"\W+", "_", str(error))
    named = "named" if call.counter else "default"
    return f"counted_{named}_told" if call.endpoint else f"counted_{named}"


def _manner(query: bytes) -> str:
    """What its bytes are like."""
    kinds = {
        "percent": rb"%[0-9A-Fa-f]{2}",
        "half_percent": rb"%(?![0-9A-Fa-f]{2})",
        "control": rb"[\x00-\x1f\x7f]",
        "raw": rb"[\x80-\xff]",
        "no_utf8": rb"[\xc0\xc1\xf5-\xff]",
        "again": rb"id=.*&id=",
        "empty": rb"=(&|$)",
    }
    return "_".join(name for name, kind in kinds.items() if re.search(kind, query, re.DOTALL)) or "plain"
