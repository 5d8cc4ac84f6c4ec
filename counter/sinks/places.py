"""Places: the buckets of all counters in a row. The parts of a group or a batch have their numbers."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from django.conf import settings

from counter.counters import counters
from counter.ids import Id
from counter.mode import is_event_mode
from counter.sinks.outcome import Parts
from counter.store.keys import spread
from counter.store.limits import MAX_IDS

ROUND_IDS = 4 * MAX_IDS
"""Of one call, spread over buckets at a time: that takes two milliseconds of an event loop."""


class Places:
    """Of all counters(), with so many `buckets` each: 1 in event mode, for events are spread when counted."""

    def __init__(self, buckets: int) -> None:
        self._buckets = buckets
        self._first = {counter: number * buckets for number, counter in enumerate(counters())}

    def of(self, counter: str, id: Id) -> int:
        """The number of the place that an id lives in."""
        return self._first[counter] + spread(id, self._buckets)

    def rounds(self, counter: str, ids: Sequence[Id]) -> Iterator[Parts]:
        """The ids of one call, as many at a time as one script for each place takes, ROUND_IDS at most."""
        if self._buckets == 1:
            yield from ({self._first[counter]: chunk} for chunk in _chunks(ids, MAX_IDS))
            return
        for some in _chunks(ids, ROUND_IDS):
            parts: dict[int, list[Id]] = {}
            for id in some:
                parts.setdefault(self.of(counter, id), []).append(id)
            chunked = ([(number, chunk) for chunk in _chunks(of, MAX_IDS)] for number, of in parts.items())
            for each in zip_longest(*chunked):
                yield dict(filter(None, each))


def batch_places() -> Places:
    """Those that the ids of a batch call are spread over, whatever its sink."""
    return Places(1 if is_event_mode() else settings.REDIS_BUCKETS)


def _chunks(ids: Sequence[Id], size: int) -> Iterator[Sequence[Id]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
