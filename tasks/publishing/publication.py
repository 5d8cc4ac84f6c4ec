"""Publication: the minutes of one transaction, from Redis to Kafka and out of Redis. Step 6 of the flush."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
from django.conf import settings

from counter.kafka.client import prefixed
from counter.minute import Minute
from counter.store.counts import CorruptMinute, CountStore, Stats
from counter.store.lease import Lease
from counter.store.publishing_state import PublishingState
from counter.store.sealing import seal_everywhere
from tasks.errors import Halt, StartOver
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.output.published_log import Published, PublishedLog
from tasks.output.records import UniqueCount
from tasks.output.transaction import Transaction
from tasks.publishing.announcement import announce
from tasks.publishing.manners import Manners
from tasks.publishing.report import Report
from tasks.publishing.rows import MAX_MINUTES, Row, choose
from tasks.publishing.settling import settle
from tasks.publishing.steps import step
from tasks.publishing.watermark import Watermark


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be published next."""

    first: Minute
    last: Minute
    ongoing: set[str]
    """The counters that have a record in the first minute, whatever comes"""
    watermark: Watermark
    identity: str
    """Who publishes it: the name of this Redis"""

    def record(self, row: Row) -> UniqueCount:
        """Of a row, published now."""
        partitions = self.watermark.partitions if row.minute <= self.watermark.minute else 0
        return UniqueCount(row.minute, row.stats, datetime.now(UTC), partitions, self.identity, row.counter)


class Publication:
    """See the module. Use it once, in one thread, by the holder of the lease."""

    def __init__(self, client: redis.Redis, lease: Lease, manners: Manners, report: Report) -> None:
        self._client = client
        self._state = PublishingState(client)
        self._lease = lease
        self._manners = manners
        self._report = report

    def publish(self, transaction: Transaction, log: PublishedLog, plan: Plan) -> Minute:
        """Publish and settle some minutes of the plan; the last of them. Raises as `Flush.run` does."""
        with step("6a.seal"):
            store = seal_everywhere(self._client, min(plan.last, plan.first + MAX_MINUTES - 1))
            minutes = choose(store, plan.first, plan.last, plan.ongoing)
            attempt = self._state.attempt(plan.first)
        with step("6b.begin"):
            transaction.begin()
        records = [record for rows in minutes for record in self._add(transaction, store, rows, plan)]
        with step("6b.commit"):
            offsets = transaction.commit()
        with step("6b.acknowledged"):
            self._state.acknowledge(records[-1].minute, offsets[0])
        with step("6c.read_back"):
            published = _read_back(log, offsets, records)
        with step("6c.published"):
            self._state.published()
        with step("6d.announce"):
            announce(published, attempt)
        self._report.add(records, attempt)
        for record in records:
            if record.stats.total:
                settle(store.of(record.counter), record.minute, self._lease, self._manners)
        return records[-1].minute

    def _add(
        self, transaction: Transaction, store: CountStore, rows: Sequence[Row], plan: Plan
    ) -> list[UniqueCount]:
        """6b for one minute: all id-counts, then the records of its counters."""
        if settings.PUBLISH_ID_COUNTS:
            with step("6b.id_counts"):
                for row in rows:
                    if row.stats.total:
                        self._manners.exhaust(_add_id_counts(transaction, store.of(row.counter), row))
        with step("6b.unique_count"):
            records = [plan.record(row) for row in rows]
            for record in records:
                transaction.add_unique_count(record)
        return records


def check_acknowledged(state: PublishingState, checkpoint: Minute | None) -> None:
    """A commit that Kafka has acknowledged is never made again, unless an operator says so. Raises Halt."""
    if kept := state.acknowledged():
        last, offset = kept
        if not checkpoint or checkpoint < last:
            raise Halt(_missing(last, offset))


def _add_id_counts(transaction: Transaction, store: CountStore, row: Row) -> Iterator[None]:
    """By chunks: yields after each."""
    unique = total = 0
    for counts in store.counts(row.minute):
        transaction.add_id_counts(row.minute, row.counter, counts)
        unique += len(counts)
        total += sum(count for _, count in counts)
        yield
    if Stats(unique, total) != row.stats:
        raise CorruptMinute(f"minute {row.minute} has counts of {unique}/{total} and {row.stats}")


def _read_back(log: PublishedLog, offsets: list[int], records: list[UniqueCount]) -> list[Published]:
    published = list(log.since(offsets[0]))
    found = [(each.record.counter, each.record.minute, each.record.stats) for each in published]
    wanted = [(each.counter, each.minute, each.stats) for each in records]
    if found[: len(wanted)] != wanted:
        raise Halt(_missing(records[-1].minute, offsets[0]))
    if len(found) > len(wanted):
        raise StartOver("the topic goes on behind what was committed")
    return published


def _missing(last: Minute, offset: int) -> str:
    return (
        f"Kafka has acknowledged the minutes up to {last}, at offset {offset} of {prefixed(UNIQUE_COUNTS)},"
        " and does not have them: publishing them again might double them"
    )
