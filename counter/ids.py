"""Ids: signed 64-bit integers of the default counter, texts of a named one."""

import re
from collections.abc import Sequence

Id = int | str

MIN_ID, MAX_ID = -(2**63), 2**63 - 1

MAX_LENGTH = 128
"""Characters of a text"""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]").search


def are_texts(texts: Sequence[str]) -> bool:
    """Whether each is the id of a named counter: 1 to MAX_LENGTH characters, no white space, no control."""
    # In a few steps for all of them, for a batch may have thousands.
    return (
        not _CONTROL("".join(texts))
        and len(" ".join(texts).split()) == len(texts)
        and max(map(len, texts), default=0) <= MAX_LENGTH
    )
