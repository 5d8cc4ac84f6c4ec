"""The checker: what callers were told against what is in Kafka (read_committed) and in Redis."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import cast

import redis

from counter.counters import DEFAULT, NAME
from counter.ids import Id
from counter.minute import Minute
from counter.store.publishing_state import PublishingState
from counter.store.registry import registered
from tests.support.reading import read_id_counts, rows, unique_counts, writers

SHOWN = 20
BUCKET = r"\{b[0-9]+\}"
COUNTER = rf"(?:(?P<counter>{NAME}):)?"
_count = re.compile(rf"(?:{BUCKET})?{COUNTER}(?P<minute>[0-9]{{12}})_(?P<id>.*)", re.DOTALL).fullmatch
_index = re.compile(rf"tally:(?:{BUCKET}:)?{COUNTER}(?:ids|stats):(?P<minute>[0-9]{{12}})").fullmatch
_pending = re.compile(rf"tally:(?:{BUCKET}:)?{COUNTER}pending").fullmatch


@dataclass
class Calls:
    """How often each id was answered `ok`; how often its call had no answer, or a 503: it may have counted.

    A call that was answered with 400 is neither: it must not count.
    """

    ok: Counter[Id] = field(default_factory=Counter)
    unknown: Counter[Id] = field(default_factory=Counter)
    named: dict[str, "Calls"] = field(default_factory=dict)
    """The same of each named counter"""

    def of(self, counter: str) -> "Calls":
        """Those of one counter."""
        return self.named.setdefault(counter, Calls()) if counter else self

    def update(self, other: "Calls") -> None:
        """Those of another one as well."""
        self.ok.update(other.ok.copy())
        self.unknown.update(other.unknown.copy())
        for counter, calls in list(other.named.items()):
            self.of(counter).update(calls)

    def total(self, kind: str) -> int:
        """How many there were, of all counters."""
        return sum(getattr(calls, kind).total() for calls in (self, *list(self.named.values())))


@dataclass
class Seen:
    """What of a counter is in Kafka, record by record, and in Redis, minute by minute."""

    unique_counts: list[tuple[str, int, int]]
    id_counts: list[tuple[str, Id, int]]
    waiting: dict[str, dict[Id, int]]
    """minute -> id -> count, of the minutes that tally:pending names"""
    keys: dict[str, list[str]]
    """minute -> the names of all keys that belong to it"""
    twice: list[str] = field(default_factory=list)
    """What is in two buckets, one sentence each"""


def observe(valkey: redis.Redis, counter: str = DEFAULT) -> Seen:
    """Everything, from the beginning. Nothing may be at work meanwhile."""
    seen = observe_waiting(valkey, counter)
    seen.unique_counts, seen.id_counts = unique_counts(counter), read_id_counts(counter)
    return seen


def observe_waiting(valkey: redis.Redis, counter: str = DEFAULT) -> Seen:
    """What is in Redis, in whatever buckets, for a system in which nothing is published."""
    of_minute: dict[str, list[str]] = defaultdict(list)
    counts: dict[str, list[str]] = defaultdict(list)
    pending: set[str] = set()
    for raw in valkey.scan_iter(count=10_000):
        name = raw.decode()
        found = _count(name) or _index(name) or _pending(name)
        if not found or (found["counter"] or DEFAULT) != counter:
            continue
        if _pending(name):
            pending.update(cast("bytes", member).decode() for member in valkey.zrange(name, 0, -1))
            continue
        of_minute[found["minute"]].append(name)
        if _count(name):
            counts[found["minute"]].append(name)
    read = {minute: _counts(valkey, names) for minute, names in counts.items()}
    twice = [
        f"{id} is in {minute} in two buckets"
        for minute, of in read.items()
        for id, times in Counter(id for id, _ in of).items()
        if times > 1
    ]
    waiting = {minute: dict(read.get(minute, [])) for minute in pending}
    return Seen([], [], waiting, dict(of_minute), twice)


def verify(calls: Calls, valkey: redis.Redis) -> Seen:
    """Fail, saying all that is wrong, unless every promise holds; what there is of the default counter."""
    counters = {counter for _, counter, _, _ in rows()} | set(registered(valkey))
    return _verify(calls, {counter: observe(valkey, counter) for counter in {DEFAULT, *counters}})


def verify_waiting(calls: Calls, valkey: redis.Redis) -> Seen:
    """The same for a system in which nothing is published."""
    counters = (DEFAULT, *registered(valkey))
    return _verify(calls, {counter: observe_waiting(valkey, counter) for counter in counters})


def _verify(calls: Calls, seen: dict[str, Seen]) -> Seen:
    found = [
        f"{counter}: {each}" if counter else each
        for counter, of in seen.items()
        for each in violations(calls.of(counter), of)
    ]
    found += [f"nothing is known of {counter}" for counter in calls.named.keys() - seen.keys()]
    assert not found, "\n".join([f"{len(found)} promises are broken:", *found[:SHOWN]])
    return seen[DEFAULT]


def verify_each(systems: Sequence[tuple[Calls, redis.Redis]]) -> None:
    """The same for several on one Kafka: what each was told is in its own records, or in its own Redis."""
    topic = Seen(unique_counts(), read_id_counts(), {}, {})
    found = [*_order(topic), *_sums(topic)]
    for calls, valkey in systems:
        identity = PublishingState(valkey).identity()
        own = {minute for minute, tally in writers().items() if tally == identity}
        seen = replace(
            observe_waiting(valkey),
            unique_counts=[row for row in topic.unique_counts if row[0] in own],
            id_counts=[row for row in topic.id_counts if row[0] in own],
        )
        found += [*seen.twice, *_leftovers(seen), *_counts_of_ids(calls, seen)]
    assert not found, "\n".join([f"{len(found)} promises are broken:", *found[:SHOWN]])


def violations(calls: Calls, seen: Seen) -> Iterator[str]:
    """One sentence for each promise that is broken, and by what."""
    yield from seen.twice
    yield from _order(seen)
    yield from _sums(seen)
    yield from _leftovers(seen)
    yield from _counts_of_ids(calls, seen)


def _order(seen: Seen) -> Iterator[str]:
    for before, after in pairwise(minute for minute, _, _ in seen.unique_counts):
        if Minute.parse(after) != Minute.parse(before) + 1:
            yield f"{after} was published after {before}"


def _sums(seen: Seen) -> Iterator[str]:
    ids: dict[str, Counter[Id]] = defaultdict(Counter)
    for minute, id, count in seen.id_counts:
        if id in ids[minute]:
            yield f"the count of {id} in {minute} was published twice"
        ids[minute][id] += count
    for minute, unique, total in seen.unique_counts:
        found = (len(ids[minute]), ids.pop(minute).total())
        if found != (unique, total):
            yield f"{minute} was published as {(unique, total)}, and its id-counts are {found}"
    for minute in ids:
        yield f"{minute} has id-counts and was not published"


def _counts_of_ids(calls: Calls, seen: Seen) -> Iterator[str]:
    counted: Counter[Id] = Counter()
    for _, id, count in seen.id_counts:
        counted[id] += count
    for counts in seen.waiting.values():
        counted.update(counts)
    for id in sorted(counted.keys() | calls.ok.keys(), key=str):
        least, most = calls.ok[id], calls.ok[id] + calls.unknown[id]
        if not least <= counted[id] <= most:
            yield f"{id} was counted {counted[id]} times, acknowledged {least} times, sent {most} times"


def _leftovers(seen: Seen) -> Iterator[str]:
    published = {minute for minute, _, _ in seen.unique_counts}
    for minute, names in seen.keys.items():
        if minute in published:
            yield f"{minute} was published, and Redis still has {names[:3]}"
        elif minute not in seen.waiting:
            yield f"Redis has {names[:3]}, but tally:pending does not name {minute}"
    yield from (f"{minute} was published, and is still pending" for minute in published & seen.waiting.keys())


def _counts(valkey: redis.Redis, names: list[str]) -> list[tuple[Id, int]]:
    with valkey.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.get(name)
        values = pipe.execute()
    return [(_id(name), int(value or 0)) for name, value in zip(names, values, strict=True)]


def _id(name: str) -> Id:
    found = _count(name)
    assert found
    return found["id"] if found["counter"] else int(found["id"])
