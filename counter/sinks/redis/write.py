"""One batch of calls on its way into Redis: the protocol of accept.lua, without the sending.

Both lanes speak it, one with a blocking and one with an asyncio client. A batch carries its writer and a
number, and the script answers a repeated number without counting again. So after a lost connection the same
batch is sent again, as often as needed: it counts once.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from msgspec.json import encode
from redis.exceptions import ResponseError

from counter.ids import Id
from counter.minute import EPOCH, Minute
from counter.sinks.outcome import Accepted
from counter.store.keys import WHOLE, Bucket
from counter.store.script import Script

SCRIPT = Script("accept", shared=("count",))
_REFUSED = 0

PAUSE_SECONDS = 0.02
"""Between two tries; a restarted Redis is found within this."""

HOLD_MILLISECONDS = 150
"""How long one try waits for the replicas, twice at most; in all less than ACCEPT_TIMEOUT_SECONDS."""


def _new_name() -> str:
    return secrets.token_hex(8)


def is_unopened(reply: object) -> bool:
    """Whether the script says that the bucket's counter is to be opened first."""
    return isinstance(reply, ResponseError) and str(reply).startswith("UNOPENED")


@dataclass(slots=True)
class Writer:
    """A source of numbered batches of ids of one bucket. One of them may be under way at a time, never two.

    One that `keeps_replies` has Redis remember how many ids of its last batch were new.
    """

    keeps_replies: bool = False
    bucket: Bucket = WHOLE
    name: str = field(default_factory=_new_name)
    number: int = 0
    minute: Minute = EPOCH  # the last one that Redis named; it corrects a wrong one

    def begin_anew(self) -> None:
        """Under another name, after an answer that refused a batch: its key may hold something else."""
        self.name, self.number = _new_name(), 0

    def batch(self, ids: Sequence[Id]) -> "Batch":
        """The next batch, of 1 to MAX_IDS ids."""
        self.number += 1
        return Batch(self, self.number, ids)


@dataclass(slots=True)
class Batch:
    """Calls that are counted together. Send `command` until `read` has an answer."""

    writer: Writer
    number: int
    ids: Sequence[Id]

    @property
    def keys(self) -> tuple[str, ...]:
        """KEYS of accept.lua."""
        writer = self.writer
        return _keys(writer.bucket, writer.name, writer.keeps_replies, writer.minute)

    @property
    def args(self) -> tuple[str | int | bytes, ...]:
        """ARGV of accept.lua."""
        writer = self.writer
        if writer.bucket.counter:
            ids = " ".join(cast("Sequence[str]", self.ids)).encode()
        else:
            ids = encode(self.ids)[1:-1].replace(b",", b" ")  # a sixth of what str() for each takes
        return (*_minute_args(writer.minute), self.number, ids, writer.bucket.count)

    def read(self, reply: list[int | bytes]) -> Accepted | None:
        """What the script's reply says; None when it is to be sent again, for the minute that Redis named.

        A repeated batch was counted in the minute it is sent with now: the minute changes only when Redis
        has refused the batch, which means that it had not been counted.
        """
        status, *rest = reply
        if status == _REFUSED:
            now, sealed = Minute(int(rest[0])), rest[1]
            self.writer.minute = max(now, Minute.parse(bytes(sealed)) + 1) if sealed else now
            return None
        return Accepted(self.writer.minute, int(rest[0]) if rest else None)


@lru_cache(maxsize=4096)  # the same all minute long
def _keys(bucket: Bucket, writer: str, keeps_replies: bool, minute: Minute) -> tuple[str, ...]:
    names = (
        bucket.sealed,
        bucket.writer(writer),
        bucket.pending,
        bucket.ids(minute),
        bucket.stats(minute),
        bucket.prefix(minute),
        bucket.layout,
    )
    return (*names, bucket.reply(writer)) if keeps_replies else names


@lru_cache(maxsize=4)
def _minute_args(minute: Minute) -> tuple[str | int, ...]:
    return (str(minute), minute.number, str(minute - 1))
