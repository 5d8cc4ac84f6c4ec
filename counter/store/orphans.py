"""Orphans: counts in Redis that no index knows, so that the flush would leave them behind.

There are none unless something other than Tally wrote to its Redis, or Redis lost a part of its file.
Looking for them takes a SCAN over all keys, which is why nothing but an operator's command does it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import redis

from counter.counters import DEFAULT, NAME
from counter.ids import MAX_ID, MIN_ID, Id, are_texts
from counter.minute import Minute
from counter.store.counts import CountStore
from counter.store.keys import Bucket
from counter.store.pending import MAX_PAGE, PendingMinutes
from counter.store.registry import known_buckets
from counter.store.script import Script

_NAME = re.compile(rf"(\{{b[0-9]+\}}|)(?:({NAME}):|)([0-9]{{12}})_(.+)", re.DOTALL).fullmatch
_INTEGER = re.compile(r"0|-?[1-9][0-9]*").fullmatch
_SEALED = -1


@dataclass(frozen=True, slots=True)
class Orphan:
    """A count without an index."""

    bucket: Bucket
    minute: Minute
    id: Id
    count: int


class Orphans:
    """See the module. `client` must return bytes, not str; it may repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._buckets = {(bucket.tag, bucket.counter): bucket for bucket in known_buckets(client)}
        self._adopt = client.register_script(Script("adopt").text)

    def find(self) -> Iterator[Orphan]:
        """All there are, minute by minute; right also while calls are accepted and minutes published."""
        # First the counts, then the indexes: an id is in its index as soon as it has a count.
        for (minute, *place), ids in sorted(self._counted().items()):
            bucket = self._buckets[place[0], place[1]]
            ids.difference_update(self._indexed(bucket, minute))
            names = sorted(ids, key=str)
            for start in range(0, len(names), MAX_PAGE):
                yield from self._existing(bucket, minute, names[start : start + MAX_PAGE])

    def adopt(self, stray: Orphan) -> Minute:
        """Give the stray to its minute, or where that is sealed to the present one; which one it was."""
        bucket = stray.bucket
        while True:
            minute = self._home(stray)
            names = [
                bucket.sealed,
                bucket.pending,
                f"{bucket.prefix(stray.minute)}{stray.id}",
                bucket.ids(minute),
                bucket.stats(minute),
                f"{bucket.prefix(minute)}{stray.id}",
                bucket.ids(stray.minute),
                bucket.stats(stray.minute),
            ]
            (count,) = self._adopt(keys=names, args=[str(minute), str(stray.minute), stray.id])
            if count != _SEALED:
                return minute

    def _counted(self) -> dict[tuple[Minute, str, str], set[Id]]:
        """The ids of each minute and bucket that have a count."""
        found: dict[tuple[Minute, str, str], set[Id]] = defaultdict(set)
        for name in self._redis.scan_iter("*[0-9]_*", count=MAX_PAGE, _type="string"):
            parts = _NAME(cast("bytes", name).decode(errors="replace"))
            if not parts or (place := (parts[1], parts[2] or DEFAULT)) not in self._buckets:
                continue
            with suppress(ValueError):
                found[Minute.parse(parts[3]), *place].add(_id(parts[4], self._buckets[place]))
        return found

    def _indexed(self, bucket: Bucket, minute: Minute) -> Iterator[Id]:
        """The ids that the flush will find; it looks for pending minutes alone."""
        pending = PendingMinutes(self._redis, buckets=[bucket])
        start: int | None = 0 if pending.get(minute) else None
        while start is not None:
            page = pending.counts(minute, start)
            yield from (id for id, _ in page.counts)
            start = page.next

    def _existing(self, bucket: Bucket, minute: Minute, ids: list[Id]) -> Iterator[Orphan]:
        """Without those that were settled meanwhile, and what is no count."""
        values = self._redis.mget([f"{bucket.prefix(minute)}{id}" for id in ids])
        for id, value in zip(ids, values, strict=True):
            if value and value.isdigit() and int(value):
                yield Orphan(bucket, minute, id, int(value))

    def _home(self, stray: Orphan) -> Minute:
        store = CountStore(self._redis, [stray.bucket])
        present, sealed = store.present(), store.sealed()
        is_free = stray.minute <= present and (not sealed or stray.minute > sealed)
        return stray.minute if is_free else present


def _id(text: str, bucket: Bucket) -> Id:
    """Raises ValueError for what is none of the bucket's counter."""
    if bucket.counter:
        if not are_texts([text]):
            raise ValueError(f"{text!r} is no id")
        return text
    if not _INTEGER(text) or not MIN_ID <= int(text) <= MAX_ID:
        raise ValueError(f"{text!r} is no id")
    return int(text)
