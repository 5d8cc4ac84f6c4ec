"""Rows: which counters have a record in a minute, and what it says.

A counter has one in each minute in which it has calls, and goes on with zeros from there, as long as COUNTERS
names it; the default counter always goes on. Which did, the records of the minute before tell. So a counter
that is taken out of COUNTERS is published to its end, and one that comes back begins anew with its next call.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from counter.counters import DEFAULT, counters
from counter.minute import Minute
from counter.store.counts import CorruptMinute, CountStore, Stats
from tasks.output.published_log import Published

MAX_MINUTES = 240
"""Minutes in one transaction: a day's backlog drains in a few, and a crash repeats little."""

MAX_IDS = 500_000
"""Ids in one transaction of several minutes: about a second's work."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a minute's record of a counter says."""

    counter: str
    minute: Minute
    stats: Stats


def going_on(last: Iterable[Published]) -> set[str]:
    """The counters that have a record in the minute behind these, the last published ones, whatever comes."""
    return {each.record.counter for each in last} & set(counters())


def begin(store: CountStore, first: Minute, last: Minute, ongoing: set[str]) -> Minute | None:
    """The first minute that has a record, of those from `first` through `last`; None without one."""
    if ongoing:
        return first
    return next((minute for minute in store.pending(last) if minute >= first), None)


def choose(store: CountStore, first: Minute, last: Minute, ongoing: set[str]) -> list[list[Row]]:
    """The sealed minutes from `first` on that go together, each with its rows: at least one minute.

    They have MAX_IDS ids at most. The default counter's row is a minute's last. Raises CorruptMinute.
    """
    minutes = list(first.through(min(last, first + MAX_MINUTES - 1)))
    found = {counter: _stats(store.of(counter), minutes) for counter in (*store.counters[1:], DEFAULT)}
    chosen: list[list[Row]] = []
    ids = 0
    for number, minute in enumerate(minutes):
        stats = {counter: of[number] for counter, of in found.items()}
        ids += sum(of.unique for of in stats.values())
        if chosen and ids > MAX_IDS:
            break
        rows = [Row(counter, minute, of) for counter, of in stats.items() if of.total or counter in ongoing]
        chosen.append(rows)
        ongoing = {row.counter for row in rows} & set(counters())
    for counter, of in found.items():
        store.of(counter).check(list(zip(minutes, of, strict=True))[: len(chosen)])
    return chosen


def _stats(store: CountStore, minutes: Sequence[Minute]) -> list[Stats]:
    """Each is asked for by its name: an entry of `tally:pending` may have been deleted."""
    found = store.stats(list(minutes))
    # Afterwards: whoever settles a minute meanwhile takes it out of both.
    empty = {minute for minute, of in zip(minutes, found, strict=True) if not of.total}
    if lost := set(store.pending(minutes[-1])) & empty:
        name = store.buckets[0].stats(min(lost))
        raise CorruptMinute(f"minute {min(lost)} is pending, and {name} is gone")
    return found
