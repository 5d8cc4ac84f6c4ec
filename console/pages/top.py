"""The ids that were accepted most often in a minute, without ever keeping Redis busy.

A minute may have a million ids, so a reader asks for one slice after the other and merges: the top of all is
among the tops of the slices.
"""

from dataclasses import dataclass
from heapq import nlargest

from counter.ids import Id
from counter.minute import Minute
from counter.store.pending import PendingMinutes

TOP = 20
SLICE_PAGES = 20
"""Of a thousand ids and about a millisecond of Redis's time each, others being served between them."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The most frequent ids among some of a minute's ids."""

    top: list[tuple[Id, int]]
    """(id, count), the most frequent first; at most TOP."""
    next: int | None
    """Where the next slice starts; None after the last."""
    read: int
    """Ids in the slice"""


def top_of_slice(minutes: PendingMinutes, minute: Minute, start: int) -> Slice:
    """The slice that begins with the id number `start`, in order of arrival."""
    top: list[tuple[Id, int]] = []
    read = 0
    position: int | None = start
    for _ in range(SLICE_PAGES):
        page = minutes.counts(minute, position or 0)
        top = nlargest(TOP, top + page.counts, key=lambda pair: pair[1])
        read += len(page.counts)
        position = page.next
        if position is None:
            break
    return Slice(top, position, read)
