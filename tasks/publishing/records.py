"""The records of the topics: what is written, and reading it back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from counter.minute import Minute
from counter.store.counts import Stats

PARTITIONS_READ = "requests-partitions-read"
Header = tuple[str, str | bytes | None]
Headers = dict[str, str | bytes | None] | list[Header] | None


class BadRecord(Exception):
    """A record of `unique-counts` is not one that Tally writes."""


@dataclass(frozen=True, slots=True)
class UniqueCount:
    """The record that says a minute is published: key and value in `unique-counts`."""

    minute: Minute
    stats: Stats
    published_at: datetime
    partitions: int = 0
    """Of `requests`: as many as had been read past the end of the minute; 0 for one that was not ended so."""

    @property
    def headers(self) -> list[Header]:
        """What the value does not say."""
        return [(PARTITIONS_READ, b"%d" % self.partitions)] if self.partitions else []

    @property
    def key(self) -> bytes:
        """The minute."""
        return str(self.minute).encode()

    @property
    def value(self) -> bytes:
        """JSON, as in docs/asyncapi.yaml."""
        at = self.published_at.astimezone(UTC).isoformat(timespec="milliseconds")
        return json.dumps(
            {
                "minute": str(self.minute),
                "unique": self.stats.unique,
                "total": self.stats.total,
                "published_at": at.replace("+00:00", "Z"),
            }
        ).encode()

    @classmethod
    def read(cls, key: bytes | None, value: bytes | None, headers: Headers = None) -> Self:
        """The record in a message. Raises BadRecord for one that Tally can't have written."""
        try:
            fields: dict[str, Any] = json.loads(value or b"")
            record = cls(
                Minute.parse(fields["minute"]),
                Stats(_count(fields["unique"]), _count(fields["total"])),
                datetime.fromisoformat(fields["published_at"]),
                int(dict(headers or ()).get(PARTITIONS_READ) or 0),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise BadRecord(
                f"the last record of unique-counts can't be read: key {key!r}, value {value!r}"
            ) from error
        if key != record.key:
            raise BadRecord(f"a record of unique-counts has the key {key!r} and the minute {record.minute}")
        return record


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def id_counts(minute: Minute, counts: list[tuple[int, int]]) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of the `id-counts` record of each (id, count). JSON by hand: it is made for every id."""
    head = b'{"minute": "%s", "id": ' % str(minute).encode()
    for id, count in counts:
        key = b"%d" % id
        yield key, b'%s%s, "count": %d}' % (head, key, count)
