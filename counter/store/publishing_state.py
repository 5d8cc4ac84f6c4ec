"""PublishingState: what publishing keeps in Redis beside the counts, of all of Tally and no bucket alone.

The output topic is the truth. This is what it can't tell: who this Redis is, where to begin, what an operator
has said, and why publishing has stopped.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import cast
from uuid import uuid4

import redis
from redis.exceptions import OutOfMemoryError, ResponseError

from counter.minute import Minute
from counter.redis.clients import master_of
from counter.redis.replication import replicated
from counter.store import keys
from counter.store.keys import Bucket, Garbled, parse_minute
from counter.store.script import Script


class PublishingState:
    """See the module. `client` must return bytes, not str; it may repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._identify = client.register_script(Script("identify").text)

    def identity(self) -> str:
        """Who this Redis is; empty while it has no name. Raises Garbled."""
        return self._text(keys.ID) or ""

    def identify(self) -> str:
        """Who this Redis is; it has a name from then on, which is held by replicas where accepting is."""
        self.identity()  # raises where it can't be read
        with replicated(master_of(self._client, keys.ID)) as pipe:
            self._identify(keys=[keys.ID], args=[uuid4().hex], client=pipe)
        return self.identity()

    def first(self) -> Minute | None:
        """The minute to publish next, while the topic can't tell. Raises Garbled."""
        found = self._text(keys.FIRST)
        return parse_minute(keys.FIRST, found.encode()) if found else None

    def begin_at(self, minute: Minute) -> None:
        """Remember the first minute, unless one is remembered: a crash before its commit resumes there.

        Nothing is sealed before, so a backup of anything that was has the name that it is published under.
        """
        self.identify()
        with replicated(master_of(self._client, keys.FIRST)) as pipe:
            pipe.set(keys.FIRST, str(minute), nx=True)

    def override(self, published: Minute, buckets: Iterable[Bucket]) -> None:
        """Take an operator's word that `published` is the last published minute, whatever the topic says.

        `buckets` are all that there are.
        """
        with self._client.pipeline(transaction=False) as pipe:
            pipe.set(keys.FIRST, str(published + 1))
            pipe.delete(keys.COMMITTED)
            for bucket in buckets:
                pipe.set(bucket.settled, str(published))
            pipe.execute()

    def word(self, settled: Minute | None) -> Minute | None:
        """The minute of an operator's word; None without one, and once publishing has gone on behind it.

        `settled` is the last minute that was.
        """
        first = self.first()
        return first - 1 if first and settled and settled >= first - 1 else None

    def attempt(self, minute: Minute) -> int:
        """Count one more attempt to publish this minute; says which one it is, 1 for the first."""
        try:
            return int(self._client.hincrby(keys.ATTEMPTS, str(minute), 1))
        except ResponseError:
            return 1  # the number is for people; freeing a full Redis's memory is more urgent

    def halted(self) -> str | None:
        """Why publishing has stopped, None while it works."""
        try:
            reason = cast("bytes | None", self._client.get(keys.HALTED))
        except ResponseError as error:
            return f"{keys.HALTED} can't be read: {error}"
        return reason.decode(errors="replace") if reason else None

    def halt(self, reason: str) -> None:
        """Show everyone why publishing has stopped."""
        self._client.set(keys.HALTED, reason)

    def resume(self) -> None:
        """All is well, though there was nothing to publish: forget why publishing had stopped."""
        self._client.delete(keys.HALTED)

    def published(self) -> None:
        """Publishing works: forget what was kept for the case that it does not."""
        with self._client.pipeline(transaction=False) as pipe:
            for name in (keys.FIRST, keys.ATTEMPTS, keys.COMMITTED, keys.HALTED):
                pipe.delete(name)
            pipe.execute()

    def acknowledge(self, last: Minute, offset: int) -> None:
        """Remember a commit that Kafka has acknowledged, of minutes up to `last`, until it is read back.

        `offset` is that of its first record in `unique-counts`.
        """
        with suppress(OutOfMemoryError):  # freeing the memory is more urgent
            self._client.set(keys.COMMITTED, f"{last} {offset}")

    def acknowledged(self) -> tuple[Minute, int] | None:
        """The last commit that was acknowledged and not read back, as `acknowledge` was told."""
        if not (kept := self._text(keys.COMMITTED)):
            return None
        last, _, offset = kept.partition(" ")
        if not offset.isdigit():
            raise Garbled(keys.COMMITTED, kept)
        return parse_minute(keys.COMMITTED, last.encode()), int(offset)

    def forget_acknowledged(self, offset: int) -> None:
        """The acknowledged commit that begins at that offset could never be read, and is aborted."""
        if (kept := self.acknowledged()) and kept[1] == offset:
            self._client.delete(keys.COMMITTED)

    def keep_partitions(self, count: int) -> None:
        """Take an operator's word that readers of `unique-counts` know of so many partitions."""
        self._client.set(keys.PARTITIONS, count)

    def kept_partitions(self) -> int:
        """How many partitions of `unique-counts` are agreed to."""
        kept = self._text(keys.PARTITIONS) or "1"
        if not kept.isdigit():
            raise Garbled(keys.PARTITIONS, kept)
        return int(kept)

    def _text(self, name: str) -> str | None:
        """What is in the key. Raises Garbled where that is no text."""
        try:
            found = cast("bytes | None", self._client.get(name))
            return found.decode() if found else None
        except (ResponseError, UnicodeDecodeError) as error:
            raise Garbled(name, str(error)) from error
