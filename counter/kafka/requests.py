"""Events: the records of `requests`, how they are written and read, and what time it is in their log.

The log alone says which minute an event belongs to: that of the highest append time so far in its partition.
A broker's clock may run back when a partition gets another leader; the time of a log never does. So nothing
is ever late, and whoever reads the log again finds the same minutes.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message
from msgspec.json import encode

from counter.counters import DEFAULT, NAME
from counter.ids import MAX_ID, MIN_ID, Id, are_texts
from counter.kafka.client import client_config
from counter.minute import SECONDS, Minute
from counter.store.limits import MAX_IDS

MESSAGE_TIMEOUT_MS = 800
"""A caller is told that Kafka is away within a second; what was under way then may still be appended."""

MAX_UNDER_WAY = 16_000
"""Calls of one process that wait for the broker. More than this are refused at once."""

LINGER_MS = 1
"""How long the client gathers events for a partition before it sends them together."""

MINUTE_MS = SECONDS * 1000

_COUNTER = re.compile(rb'\{"counter": "(%b)", "id": ' % NAME.encode()).match

TRUSTED_TIMES = {"LogAppendTime": TIMESTAMP_LOG_APPEND_TIME}
"""Of `message.timestamp.type`, and how the client calls it: whose clock may decide a minute."""


def producer_config() -> dict[str, str | int | float | bool]:
    """Of whoever appends to `requests`: acknowledged by all replicas, and once, whatever is repeated."""
    return client_config() | {
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # as Java's clients spread keys
        "linger.ms": LINGER_MS,
        "compression.type": "lz4",
        "message.timeout.ms": MESSAGE_TIMEOUT_MS,
        "queue.buffering.max.messages": MAX_UNDER_WAY,
    }


def event(id: Id, counter: str = DEFAULT) -> tuple[bytes, bytes]:
    """Value and key of the record for one accepted call. The counter comes first, as `counter_of` expects."""
    if isinstance(id, int):
        key = b"%d" % id
        return b'{"id": %s}' % key, key
    return b'{"counter": "%s", "id": %s}' % (counter.encode(), encode(id)), id.encode()


def counter_of(value: bytes | None) -> str:
    """Whose the event is. What someone else wrote is taken for the default counter's, which can't read it."""
    found = _COUNTER(value or b"")
    return found[1].decode() if found else DEFAULT


def marker(minute: Minute) -> bytes:
    """The value of the record, without a key, that only shows a partition that time goes on."""
    return b'{"marker": "%s"}' % str(minute).encode()


@dataclass(slots=True)
class Records:
    """Records of one partition, in order: column by column, for there are many."""

    offsets: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    """Append times, in milliseconds"""
    keys: list[bytes | None] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    untimed: int = 0
    """How many have the time of a caller's clock: that is none, and leaves the log's where it is"""

    @property
    def named(self) -> set[str]:
        """The named counters that have any of them."""
        return set(self.counters) - {DEFAULT}

    def add(self, message: Message) -> None:
        """Append one record, which follows those that are here."""
        self.offsets.append(message.offset() or 0)
        by, time = message.timestamp()
        if by not in TRUSTED_TIMES.values():
            self.untimed += 1
            time = 0
        self.times.append(time)
        self.keys.append(message.key())
        value = message.value()
        self.counters.append(DEFAULT if not value or value.startswith(b'{"id"') else counter_of(value))

    def drop_before(self, offset: int) -> None:
        """Forget what is before this offset."""
        if before := bisect_left(self.offsets, offset):
            del self.offsets[:before], self.times[:before], self.keys[:before], self.counters[:before]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of a partition that follow one another and belong to one minute: at most MAX_IDS."""

    minute: Minute
    end: int
    """The offset after the last"""
    time: int
    """The highest append time before `end`, in milliseconds"""
    ids: Mapping[str, Sequence[Id]]
    """One an event, by counter"""
    unreadable: int
    """Records that are neither events nor markers: someone else wrote them"""


def stretches(records: Records, time: int, cuts: Sequence[int] = ()) -> Iterator[Stretch]:
    """The records in stretches. `time` is the highest append time before the first of them.

    None goes over one of the offsets in `cuts`: one ends there, and the next begins.
    """
    offsets, times, begin = records.offsets, records.times, 0
    while begin < len(offsets):
        minute = Minute.at_milliseconds(max(time, times[begin]))
        end = min(begin + MAX_IDS, len(offsets))
        for cut in cuts:
            if offsets[begin] < cut:
                end = bisect_left(offsets, cut, begin, end)
        next_minute = (minute.number + 1) * MINUTE_MS
        if max(times[begin:end]) >= next_minute:
            end = next(n for n in range(begin, end) if times[n] >= next_minute)
        time = max(time, *times[begin:end])
        ids, unreadable = _read(records.keys[begin:end], records.counters[begin:end])
        yield Stretch(minute, offsets[end - 1] + 1, time, ids, unreadable)
        begin = end


def _read(keys: list[bytes | None], counters: list[str]) -> tuple[dict[str, Sequence[Id]], int]:
    """The ids of these records by counter, and how many records have none. A marker is without a key."""
    if not any(counters):
        ids, unreadable = _read_ids([key for key in keys if key is not None])
        return {DEFAULT: ids}, unreadable
    of_counter: dict[str, list[bytes]] = {}
    for key, counter in zip(keys, counters, strict=True):
        if key is not None:
            of_counter.setdefault(counter, []).append(key)
    read = {counter: (_read_texts if counter else _read_ids)(of) for counter, of in of_counter.items()}
    return {counter: ids for counter, (ids, _) in read.items()}, sum(wrong for _, wrong in read.values())


def _read_texts(keys: list[bytes]) -> tuple[list[str], int]:
    """The ids of a named counter, as `_read_ids` reads those of the default one."""
    try:
        ids = [key.decode() for key in keys]
    except UnicodeDecodeError:
        ids = []
    if ids and are_texts(ids):
        return ids, 0
    decoded = [key.decode(errors="replace") for key in keys]
    ids = [id for key, id in zip(keys, decoded, strict=True) if id.encode() == key and are_texts([id])]
    return ids, len(keys) - len(ids)


def _read_ids(keys: list[bytes]) -> tuple[list[int], int]:
    """The ids of these keys, and how many keys have none."""
    try:
        ids = [int(key) for key in keys]
    except ValueError:
        ids = []
    # The extremes, because it is done for every event.
    if ids and min(ids) >= MIN_ID and max(ids) <= MAX_ID:
        return ids, 0
    ids = [id for key in keys if (id := _read_id(key)) is not None]
    return ids, len(keys) - len(ids)


def _read_id(key: bytes) -> int | None:
    """The id of an event, None for what Tally can't have written."""
    try:
        id = int(key)
    except ValueError:
        return None
    return id if MIN_ID <= id <= MAX_ID else None
