"""`ops/redis/users.acl`, with passwords."""

import hashlib

from tests.support.processes import ROOT

FILE = ROOT / "ops/redis/users.acl"
PLACEHOLDER = "#sha256-of-the-password"


def users(password: str, *without: str) -> str:
    """The file, every role with that password, without those words."""
    text = FILE.read_text().replace(PLACEHOLDER, f"#{hashlib.sha256(password.encode()).hexdigest()}")
    return "\n".join(
        " ".join(word for word in line.split() if word not in without) for line in text.splitlines()
    )
