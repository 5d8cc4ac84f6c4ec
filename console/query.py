"""Numbers in the query of a page, which anybody may write there."""

import re
from collections.abc import Mapping

MAX_NUMBER = 2**53
"""Above any position, time or minute; what Redis, the database and JavaScript take."""

_is_number = re.compile(r"[0-9]{1,16}").fullmatch


def number(query: Mapping[str, str], name: str) -> int | None:
    """The whole number of that name; None where there is none, or one beyond all that is counted."""
    text = query.get(name, "")
    return int(text) if _is_number(text) and int(text) <= MAX_NUMBER else None
