"""The replay: minutes counted again from the events, into topics of other names.

Each minute is one transaction, and a reader of the new topics is promised what one of the old ones is. A
replay that was broken off goes on behind the last minute that is there.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.conf import settings

from counter.counters import DEFAULT
from counter.minute import Minute
from tasks.audits.minute_reader import Advance, MinuteReader, read_ends
from tasks.audits.recount import Recount
from tasks.kafka.topics import create_topics
from tasks.output.published_log import PublishedLog
from tasks.output.records import UniqueCount
from tasks.output.transaction import Transaction
from tasks.publishing.rows import going_on


class Replay:
    """Of the minutes from `first` through `last`, into `<prefix>unique-counts` and `<prefix>id-counts`.

    Raises CannotTell, KafkaAway, NoTopic, StartOver, or Fenced by another replay with this prefix.
    """

    def __init__(self, first: Minute, last: Minute, prefix: str) -> None:
        read_ends()  # before a topic is made in vain
        self._prefix = prefix
        self._last = last
        done, self._ongoing = None, set[str]()
        if not create_topics(prefix):  # new ones are empty
            with PublishedLog(prefix) as log:
                done = log.last()
                self._ongoing = going_on(log.last_minute())
        self._first = max(first, done.record.minute + 1) if done else first

    def records(self) -> int:
        """How many events there are to read, about."""
        if self._first > self._last:
            return 0
        with MinuteReader(self._first, self._last) as reader:
            return reader.records()

    def run(self, advance: Advance) -> Iterator[Minute]:
        """The minutes, as they are committed."""
        if self._first > self._last:
            return
        with Recount() as recount, PublishedLog(self._prefix) as log:
            with MinuteReader(self._first, self._last) as reader:
                reader.count_into(recount, advance)
            for minute in self._first.through(self._last):
                with Transaction(lambda: None, self._prefix) as transaction:
                    transaction.init()
                    done = log.last()
                    if not done or done.record.minute < minute:
                        self._publish(transaction, recount, minute)
                yield minute

    def _publish(self, transaction: Transaction, recount: Recount, minute: Minute) -> None:
        transaction.begin()
        named = {*recount.counters(minute), *self._ongoing} - {DEFAULT}
        counters = [*sorted(named), DEFAULT]
        self._ongoing = named & set(settings.COUNTERS)
        if settings.PUBLISH_ID_COUNTS:
            for counter in counters:
                for counts in recount.counts(minute, counter):
                    transaction.add_id_counts(minute, counter, counts)
        for counter in counters:
            stats, now = recount.stats(minute, counter), datetime.now(UTC)
            transaction.add_unique_count(UniqueCount(minute, stats, now, counter=counter))
        transaction.commit()
