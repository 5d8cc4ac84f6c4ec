"""The names of everything Tally keeps in Redis, in one place.

What belongs to a minute, or decides where a call may be counted, belongs to a bucket. All names of a bucket
carry the same hash tag, so that they are on one node of a Redis Cluster and one script can write them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from zlib import crc32

from counter.minute import Minute

FIRST = "tally:first"
"""What to publish next while the topic can't tell: before the first commit, or by an operator's word."""

ATTEMPTS = "tally:attempts"
"""Hash: how often publishing was begun, by the first minute of the transaction; gone with its success."""

HALTED = "tally:halted"
"""Why publishing has stopped, while it fails closed."""

LOCK = "tally:flush"
"""The lease that keeps a second flusher from wasting the first one's work."""

BUCKETS = "tally:buckets"
"""Set: how many buckets there are, and how many there ever were. Without it there was only ever one."""

BEAT = "tally:beat"
"""Host and process of the beat that leads; runs out when it does not tick."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The names of one bucket. Each id lives in one bucket alone; `tag` is a hash tag, or empty.

    It is one of `count` buckets, which decides which ids live in it.
    """

    tag: str = ""
    count: int = 1

    @property
    def layout(self) -> str:
        """Of how many buckets it is one for those who may count in it now; 0 while no one may."""
        return self._name("layout")

    @property
    def sealed(self) -> str:
        """The last sealed minute; accepting moves past it and never back."""
        return self._name("sealed")

    @property
    def settled(self) -> str:
        """The last minute whose keys were deleted. A topic that ends before it has lost records."""
        return self._name("settled")

    @property
    def pending(self) -> str:
        """Sorted set of the minutes that have data, scored by themselves."""
        return self._name("pending")

    @property
    def requests(self) -> str:
        """Hash, in event mode: `<partition>:next` and `:time`, how far each partition has been counted."""
        return self._name("requests")

    def prefix(self, minute: Minute) -> str:
        """What the names of a minute's counts begin with: `<minute>_<id>`."""
        return f"{self.tag}{minute}_"

    def ids(self, minute: Minute) -> str:
        """List: each distinct id of the minute once, in order of arrival."""
        return self._name(f"ids:{minute}")

    def stats(self, minute: Minute) -> str:
        """Hash of the minute: `unique` and `total`."""
        return self._name(f"stats:{minute}")

    def writer(self, name: str) -> str:
        """The number of the last batch of this writer that was counted."""
        return self._name(f"writer:{name}")

    def reply(self, name: str) -> str:
        """How many ids of the writer's last batch were new, where it asked for that to be kept."""
        return f"{self.writer(name)}:new"

    def _name(self, rest: str) -> str:
        return f"tally:{self.tag}:{rest}" if self.tag else f"tally:{rest}"


WHOLE = Bucket()
"""The only bucket where there is one; its names have no tag."""


@cache
def buckets(count: int) -> tuple[Bucket, ...]:
    """The buckets of a system that has so many: WHOLE, or `{b00}`, `{b01}` and so on."""
    return (WHOLE,) if count == 1 else tuple(_tagged(count))


def spread(id: int, count: int) -> int:
    """Which of `count` buckets an id lives in, from 0: by the CRC-32 of its decimal text."""
    return crc32(b"%d" % id) % count if count > 1 else 0


def _tagged(count: int) -> Iterator[Bucket]:
    return (Bucket(f"{{b{number:02}}}", count) for number in range(count))
