"""The counters: the default one, which has no name, and those named in COUNTERS."""

import re

from django.conf import settings

DEFAULT = ""

NAME = r"[A-Za-z][A-Za-z0-9_-]{0,62}"
"""It stands in the names of keys and records, with colons around it, and begins as no minute does."""

is_name = re.compile(NAME).fullmatch


def qualified(counter: str, name: str) -> str:
    """The name as a key has it: behind a named counter and a colon, `clicks:202611230801`."""
    return f"{counter}:{name}" if counter else name


def as_field(counter: str) -> dict[str, str]:
    """What a record or a line says of it: nothing of the default one, as if there were no others."""
    return {"counter": counter} if counter else {}


def counters() -> tuple[str, ...]:
    """Those in which calls may be counted, the default one first."""
    return (DEFAULT, *settings.COUNTERS)
