"""`ops/redis/users.acl`, with passwords."""

import hashlib

from tests.processes import ROOT

FILE = ROOT / "ops/redis/users.acl"
PLACEHOLDER = "#sha256-of-the-password"


def users(password: str) -> str:
    """The file, every role with that password."""
    return FILE.read_text().replace(PLACEHOLDER, f"#{hashlib.sha256(password.encode()).hexdigest()}")
