"""Strays: counts in Redis that no index knows, so that the flush would leave them behind.

There are none unless something other than Tally wrote to its Redis, or Redis lost a part of its file.
Looking for them takes a SCAN over all keys, which is why nothing but an operator's command does it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import redis

from counter import keys
from counter.accepting import MAX_ID, MIN_ID
from counter.minute import Minute
from counter.reading import MAX_PAGE, PendingMinutes
from counter.store import CountStore

_ADOPT = Path(__file__).parent / "lua" / "adopt.lua"
_NAME = re.compile(rb"([0-9]{12})_(0|-?[1-9][0-9]*)").fullmatch
_SEALED = -1


@dataclass(frozen=True, slots=True)
class Stray:
    """A count without an index."""

    minute: Minute
    id: int
    count: int


class Strays:
    """See the module. `client` must return bytes, not str; it may repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._store = CountStore(client)
        self._pending = PendingMinutes(client)
        self._adopt = client.register_script(_ADOPT.read_text())

    def find(self) -> Iterator[Stray]:
        """All there are, minute by minute; right also while calls are accepted and minutes published."""
        # First the counts, then the indexes: an id is in its index as soon as it has a count.
        for minute, ids in sorted(self._counted().items()):
            ids.difference_update(self._indexed(minute))
            names = sorted(ids)
            for start in range(0, len(names), MAX_PAGE):
                yield from self._existing(minute, names[start : start + MAX_PAGE])

    def adopt(self, stray: Stray) -> Minute:
        """Give the stray to its minute, or where that is sealed to the present one; which one it was."""
        while True:
            minute = self._home(stray.minute)
            names = [
                keys.SEALED,
                keys.PENDING,
                f"{keys.prefix(stray.minute)}{stray.id}",
                keys.ids(minute),
                keys.stats(minute),
                f"{keys.prefix(minute)}{stray.id}",
                keys.ids(stray.minute),
                keys.stats(stray.minute),
            ]
            (count,) = self._adopt(keys=names, args=[str(minute), str(stray.minute), stray.id])
            if count != _SEALED:
                return minute

    def _counted(self) -> dict[Minute, set[int]]:
        found: dict[Minute, set[int]] = defaultdict(set)
        for name in self._redis.scan_iter("[0-9]*_*", count=MAX_PAGE, _type="string"):
            if not (parts := _NAME(cast("bytes", name))):
                continue
            try:
                minute, id = Minute.parse(parts[1]), int(parts[2])
            except ValueError:
                continue
            if MIN_ID <= id <= MAX_ID:
                found[minute].add(id)
        return found

    def _indexed(self, minute: Minute) -> Iterator[int]:
        """The ids that the flush will find; it looks for pending minutes alone."""
        start: int | None = 0 if self._pending.get(minute) else None
        while start is not None:
            page = self._pending.counts(minute, start)
            yield from (id for id, _ in page.counts)
            start = page.next

    def _existing(self, minute: Minute, ids: list[int]) -> Iterator[Stray]:
        """Without those that were settled meanwhile, and what is no count."""
        values = self._redis.mget([f"{keys.prefix(minute)}{id}" for id in ids])
        for id, value in zip(ids, values, strict=True):
            if value and value.isdigit() and int(value):
                yield Stray(minute, id, int(value))

    def _home(self, minute: Minute) -> Minute:
        now, sealed = Minute.at(self._store.now()), self._store.sealed()
        present = max(now, sealed + 1) if sealed else now
        is_free = minute <= present and (not sealed or minute > sealed)
        return minute if is_free else present
