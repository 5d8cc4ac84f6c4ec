"""The names of everything Tally keeps in Redis, in one place."""

from counter.minute import Minute

SEALED = "tally:sealed"
"""The last sealed minute; accepting moves past it and never back."""

SETTLED = "tally:settled"
"""The last minute whose keys were deleted. A topic that ends before it has lost records."""

FIRST = "tally:first"
"""What to publish next while the topic can't tell: before the first commit, or by an operator's word."""

PENDING = "tally:pending"
"""Sorted set of the minutes that have data, scored by themselves."""

ATTEMPTS = "tally:attempts"
"""Hash: how often publishing was begun, by the first minute of the transaction; gone with its success."""

HALTED = "tally:halted"
"""Why publishing has stopped, while it fails closed."""

LOCK = "tally:flush"
"""The lease that keeps a second flusher from wasting the first one's work."""

BEAT = "tally:beat"
"""Host and process of the beat that leads; runs out when it does not tick."""


def prefix(minute: Minute) -> str:
    """What the names of a minute's counts begin with: `<minute>_<id>`."""
    return f"{minute}_"


def ids(minute: Minute) -> str:
    """List: each distinct id of the minute once, in order of arrival."""
    return f"tally:ids:{minute}"


def stats(minute: Minute) -> str:
    """Hash of the minute: `unique` and `total`."""
    return f"tally:stats:{minute}"


def writer(name: str) -> str:
    """The number of the last batch of this writer that was counted."""
    return f"tally:writer:{name}"


def reply(name: str) -> str:
    """How many ids of the writer's last batch were new, where it asked for that to be kept."""
    return f"{writer(name)}:new"
