"""The records of the topics: what is written, and reading it back."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, cast

from msgspec.json import encode

from counter.counters import DEFAULT, as_field, is_name, qualified
from counter.ids import Id
from counter.minute import Minute
from counter.store.counts import Stats
from counter.timestamp import timestamp
from tasks.errors import BadRecord

PARTITIONS_READ = "requests-partitions-read"
TALLY = "tally"
CLOUD_EVENT = "tally.minute.published"
"""The type of the event that each record of `unique-counts` is, after CloudEvents"""

Header = tuple[str, str | bytes | None]
Counts = Sequence[tuple[Id, int]]
"""(id, count)"""

Headers = dict[str, str | bytes | None] | list[Header] | None


@dataclass(frozen=True, slots=True)
class UniqueCount:
    """The record that says a minute is published: key and value in `unique-counts`."""

    minute: Minute
    stats: Stats
    published_at: datetime
    partitions: int = 0
    """Of `requests`: as many as had been read past the end of the minute; 0 for one that was not ended so."""

    tally: str = ""
    """The name of the Redis that it was published from; empty for one from before they had names"""

    counter: str = DEFAULT

    @property
    def headers(self) -> list[Header]:
        """What the value does not say."""
        read: list[Header] = [(PARTITIONS_READ, b"%d" % self.partitions)] if self.partitions else []
        return [*read, (TALLY, self.tally.encode()), *self._cloud_event()] if self.tally else read

    @property
    def lag_seconds(self) -> float:
        """From the minute's end to the record being made."""
        return max(0.0, self.published_at.timestamp() - self.minute.end)

    @property
    def key(self) -> bytes:
        """The minute, behind the name of a named counter."""
        return qualified(self.counter, str(self.minute)).encode()

    @property
    def value(self) -> bytes:
        """JSON, as in docs/asyncapi.yaml."""
        return json.dumps(
            {
                "minute": str(self.minute),
                **as_field(self.counter),
                "unique": self.stats.unique,
                "total": self.stats.total,
                "published_at": timestamp(self.published_at),
            }
        ).encode()

    def _cloud_event(self) -> Iterator[Header]:
        """What makes it one: binary mode of https://github.com/cloudevents/spec, Kafka binding 1.0.2."""
        yield "content-type", b"application/json"
        yield "ce_specversion", b"1.0"
        yield "ce_type", CLOUD_EVENT.encode()
        yield "ce_source", f"/tally/{self.tally}".encode()
        yield "ce_id", self.key
        yield "ce_time", timestamp(self.published_at).encode()

    @classmethod
    def read(cls, key: bytes | None, value: bytes | None, headers: Headers = None) -> Self:
        """The record in a message. Raises BadRecord for one that Tally can't have written."""
        try:
            fields: dict[str, Any] = json.loads(value or b"")
            told = dict(headers or ())
            record = cls(
                Minute.parse(fields["minute"]),
                Stats(_count(fields["unique"]), _count(fields["total"])),
                datetime.fromisoformat(fields["published_at"]),
                int(told.get(PARTITIONS_READ) or 0),
                _text(told.get(TALLY)),
                _name(fields.get("counter", DEFAULT)),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise BadRecord(
                f"the last record of unique-counts can't be read: key {key!r}, value {value!r}"
            ) from error
        if key != record.key:
            raise BadRecord(f"a record of unique-counts has the key {key!r}, and is of {record.key!r}")
        return record


def _name(value: object) -> str:
    if value != DEFAULT and not (isinstance(value, str) and is_name(value)):
        raise ValueError(f"{value!r} is no counter")
    return value


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def id_counts(minute: Minute, counter: str, counts: Counts) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of the `id-counts` record of each (id, count). JSON by hand: it is made for every id."""
    head = b'{"minute": "%s", ' % str(minute).encode()
    if not counter:
        head += b'"id": '
        for id, count in cast("Sequence[tuple[int, int]]", counts):
            key = b"%d" % id
            yield key, b'%s%s, "count": %d}' % (head, key, count)
        return
    head += b'"counter": "%s", "id": ' % counter.encode()
    for text, count in cast("Sequence[tuple[str, int]]", counts):
        yield text.encode(), b'%s%s, "count": %d}' % (head, encode(text), count)
