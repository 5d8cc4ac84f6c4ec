"""What becomes of calls in a sink: the words that all sinks share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from counter.ids import Id
from counter.minute import Minute

DEADLINE_SECONDS = 0.8
"""An answer is due within a second, also where the sink's server is away."""


class Unavailable(Exception):
    """The call could not be recorded; as far as is known it was not."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A batch was counted: in which minute, and how many of its ids were new there.

    `new` is None when a repeat was needed and the writer keeps no replies: what the first one said is lost.
    """

    minute: Minute
    new: int | None


class Away(Unavailable):
    """Redis did not answer in time."""


Parts = Mapping[int, Sequence[Id]]
"""The ids by the number of their place: 1 to MAX_IDS of each."""

Done = Callable[[int, Accepted | Unavailable], None]
"""Told once of each part, by the number of its place, what became of it."""

Told = Callable[[Accepted | None], None]
"""Told once what became of a call; None says that it was not recorded. It must not raise."""
