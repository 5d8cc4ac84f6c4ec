"""Script: a Lua file as Redis runs it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from django.utils.functional import cached_property

_LUA = Path(__file__).parent / "lua"


@dataclass(frozen=True)
class Script:
    """`name`.lua, behind what it shares with others where it has such `shared` files."""

    name: str
    shared: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        """All of it: the first line, which tells Redis how to run it, stays the first."""
        first, _, rest = _read(self.name).partition("\n")
        return "\n".join([first, *map(_read, self.shared), rest])

    @cached_property
    def sha(self) -> str:
        """What EVALSHA calls it."""
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def _read(name: str) -> str:
    return (_LUA / f"{name}.lua").read_text()
