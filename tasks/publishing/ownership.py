"""Ownership: whose the records of `unique-counts` are.

The topic is the truth about what was published from this Redis, whose name each of its records carries.
Another Tally may write to it, by nothing more than an address: what this Redis holds is not in that one's
records. Those without a name are from before records had any, and taken for ours. An operator's word stands
for whatever the topic has up to its minute.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import redis

from counter.kafka.client import prefixed
from counter.minute import Minute
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from tasks.errors import NotOurs
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.output.published_log import Published, PublishedLog

UNNAMED = ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Calls that wait in a minute up to which the topic is published."""

    counter: str
    minute: Minute
    is_published: bool = False
    """They are in the minute's record, which is ours."""
    is_foreign: bool = False
    """Who published the minute is not known here; else it was published from here, without this counter."""
    record: str = ""
    """What the minute's record is, where it is foreign"""


class Ownership:
    """As it is for this Redis at this moment, which has a name from then on. Raises RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        """`client` must return bytes, not str; it may repeat commands."""
        state = PublishingState(client)
        self.identity = state.identify()
        self._word = state.word(CountStore.known(client).settled())

    def last(self, log: PublishedLog) -> Published | None:
        """The last committed record; None without one. Raises NotOurs; BadRecord, KafkaAway or NoTopic."""
        last = log.last()
        if last and not self.is_ours(last) and not self._is_said(last.record.minute):
            record = last.record
            raise NotOurs(
                f"{prefixed(UNIQUE_COUNTS)} is written by another Tally"
                f" ({record.tally}, up to {record.minute}):"
                " give this one a KAFKA_TOPIC_PREFIX, or hand the topic over with tally take_over"
            )
        return last

    def check(self, log: PublishedLog, store: CountStore, last: Minute) -> list[Leftover]:
        """What waits in the store though `last` is published. Raises NotOurs; further as `leftovers`."""
        found = self.leftovers(log, store, last)
        for leftover in found:
            if leftover.is_foreign:
                raise NotOurs(
                    f"{prefixed(UNIQUE_COUNTS)} is past the minute {leftover.minute}, which waits here,"
                    f" and its record is {leftover.record}: see tally take_over"
                )
        return found

    def leftovers(self, log: PublishedLog, store: CountStore, last: Minute) -> list[Leftover]:
        """What waits in the store of minutes up to `last`, oldest first. Raises KafkaAway or NoTopic."""
        waiting = sorted(
            (minute, counter) for counter in store.counters for minute in store.of(counter).pending(last)
        )
        asked = [minute for minute, _ in waiting if not self._is_said(minute)]
        records: dict[Minute, list[Published]] = defaultdict(list)
        for published in log.back_to(asked[0]) if asked else ():
            records[published.record.minute].append(published)
        return [self._leftover(counter, minute, records[minute]) for minute, counter in waiting]

    def _leftover(self, counter: str, minute: Minute, records: Sequence[Published]) -> Leftover:
        own = [each for each in records if each.record.counter == counter]
        if self._is_said(minute) or any(map(self.is_ours, own)):
            return Leftover(counter, minute, is_published=True)
        # Its transaction did not know of the counter.
        is_late = not own and any(map(self.is_ours, records))
        record = f"another Tally's ({records[0].record.tally})" if records else "not there"
        return Leftover(counter, minute, is_foreign=not is_late, record=record)

    def is_ours(self, published: Published) -> bool:
        """Whether this Redis published it, or one from before records had names."""
        return published.record.tally in (UNNAMED, self.identity)

    def _is_said(self, minute: Minute) -> bool:
        return self._word is not None and minute <= self._word
