"""Level: how bad something is."""

from enum import StrEnum


class Level(StrEnum):
    """Also the name of a colour; the word stands beside it, for those who can't see colours."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
