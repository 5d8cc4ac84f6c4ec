"""The names of everything Tally keeps in Redis, in one place.

What belongs to a minute, or decides where a call may be counted, belongs to a bucket. All names of a bucket
carry the same hash tag, so that they are on one node of a Redis Cluster and one script can write them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from zlib import crc32

from redis.exceptions import ResponseError

from counter.counters import DEFAULT, qualified
from counter.ids import Id
from counter.minute import Minute

ID = "tally:id"
"""Who this Redis is, for good: a random name, which every record that is published from it carries."""

FIRST = "tally:first"
"""What to publish next while the topic can't tell: before the first commit, or by an operator's word."""

ATTEMPTS = "tally:attempts"
"""Hash: how often publishing was begun, by the first minute of the transaction; gone with its success."""

HALTED = "tally:halted"
"""Why publishing has stopped, while it fails closed."""

FLUSHES = "tally:flushes"
"""List: the last runs of the flush, for people."""

COMMITTED = "tally:committed"
"""`<minute> <offset>`: up to which minute Kafka has acknowledged a commit that nobody has read back yet."""

PARTITIONS = "tally:partitions"
"""How many partitions of `unique-counts` an operator has agreed to, where they are not one."""

LOCK = "tally:flush"
"""The lease that keeps a second flusher from wasting the first one's work."""

BUCKETS = "tally:buckets"
"""Set: how many buckets there are, and how many there ever were. Without it there was only ever one."""

COUNTERS = "tally:counters"
"""Set: the named counters that ever counted."""

BEAT = "tally:beat"
"""Host and process of the beat that leads; runs out when it does not tick."""


GARBLED = re.compile("WRONGTYPE|holds something that Tally has not written")
"""What an error says where a key was overwritten: Redis, or a script and this."""


class Garbled(ResponseError):
    """A key holds something that Tally has not written; the message names it.

    For its type Redis says so itself, for its content this does.
    """

    def __init__(self, name: str, value: object) -> None:
        super().__init__(f"{name} holds something that Tally has not written: {value!r}")


def parse_minute(name: str, found: bytes | Exception) -> Minute:
    """The minute that Redis found in the key `name`. Raises Garbled."""
    if isinstance(found, Exception):
        raise Garbled(name, str(found)) from found
    try:
        return Minute.parse(found)
    except ValueError:
        raise Garbled(name, found) from None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The names of one bucket of a counter. Each id lives in one bucket alone; `tag` is a hash tag, or empty.

    It is one of the counter's `count` buckets, which decides which ids live in it.
    """

    tag: str = ""
    count: int = 1
    counter: str = DEFAULT

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
        return f"{self.tag}{qualified(self.counter, str(minute))}_"

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

    @property
    def read_id(self) -> Callable[[bytes], Id]:
        """The id that stands as a text in a name or an index. Raises ValueError."""
        return bytes.decode if self.counter else int

    def _name(self, rest: str) -> str:
        return ":".join(filter(None, ("tally", self.tag, self.counter, rest)))


WHOLE = Bucket()
"""The default counter's only bucket where there is one; its names have no tag."""


@cache
def buckets(count: int, counter: str = DEFAULT) -> tuple[Bucket, ...]:
    """A counter's buckets where it has so many: one without a tag, or `{b00}`, `{b01}` and so on."""
    return (Bucket(counter=counter),) if count == 1 else tuple(_tagged(count, counter))


@cache
def places(count: int, counters: tuple[str, ...]) -> tuple[Bucket, ...]:
    """The buckets of several counters, `count` of each: the first counter's, then the second's."""
    return tuple(bucket for counter in counters for bucket in buckets(count, counter))


def counters_of(places: Iterable[Bucket]) -> tuple[str, ...]:
    """Those that these are of, in the same order."""
    return tuple(dict.fromkeys(bucket.counter for bucket in places))


def spread(id: Id, count: int) -> int:
    """Which of `count` buckets an id lives in, from 0: by the CRC-32 of its text."""
    if count == 1:
        return 0
    return crc32(id.encode() if isinstance(id, str) else b"%d" % id) % count


def _tagged(count: int, counter: str) -> Iterator[Bucket]:
    return (Bucket(f"{{b{number:02}}}", count, counter) for number in range(count))
