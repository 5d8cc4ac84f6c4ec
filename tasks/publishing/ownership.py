"""Ownership: whose the records of `unique-counts` are.

The topic is the truth about what was published from this Redis, whose name each of its records carries.
Another Tally may write to it, by nothing more than an address: what this Redis holds is not in that one's
records. Those without a name are from before records had any, and taken for ours. An operator's word stands
for whatever the topic has up to its minute.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from counter.kafka.client import prefixed
from counter.minute import Minute
from counter.store.counts import CountStore
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.publishing.published_log import Published, PublishedLog

UNNAMED = ""


class NotOurs(Exception):
    """A record is another Tally's, or there is none: from this Redis its minute was not published."""


class Ownership:
    """As it is for this Redis at this moment, which has a name from then on. Raises RedisError."""

    def __init__(self, store: CountStore) -> None:
        self.identity = store.identify()
        self._word = store.word()

    def last(self, log: PublishedLog) -> Published | None:
        """The last committed record; None without one. Raises NotOurs; BadRecord, KafkaAway or NoTopic."""
        last = log.last()
        if last and not self.is_ours(last) and not self._is_said(last.record.minute):
            record = last.record
            raise NotOurs(
                f"{prefixed(UNIQUE_COUNTS)} is written by another Tally"
                f" ({record.tally}, up to {record.minute}):"
                " give this one a KAFKA_TOPIC_PREFIX, or hand the topic over with manage.py take_over"
            )
        return last

    def check(self, log: PublishedLog, minutes: Sequence[Minute]) -> None:
        """Raise NotOurs unless all these minutes were published from here. Further as `unpublished`."""
        for minute, record in islice(self.unpublished(log, minutes), 1):
            raise NotOurs(
                f"{prefixed(UNIQUE_COUNTS)} is past the minute {minute}, which waits here,"
                f" and its record is {record}: see manage.py take_over"
            )

    def unpublished(self, log: PublishedLog, minutes: Sequence[Minute]) -> Iterator[tuple[Minute, str]]:
        """Those of the minutes, oldest first, that were not published from here; what their record is.

        Raises KafkaAway or NoTopic.
        """
        left = [minute for minute in minutes if not self._is_said(minute)]
        records: dict[Minute, list[Published]] = defaultdict(list)
        for published in log.back_to(left[0]) if left else ():
            records[published.record.minute].append(published)
        for minute in left:
            found = records[minute]
            if not any(map(self.is_ours, found)):
                yield minute, f"another Tally's ({found[0].record.tally})" if found else "not there"

    def is_ours(self, published: Published) -> bool:
        """Whether this Redis published it, or one from before records had names."""
        return published.record.tally in (UNNAMED, self.identity)

    def _is_said(self, minute: Minute) -> bool:
        return self._word is not None and minute <= self._word
