"""The flush: every closed minute from Redis to Kafka, exactly once, in order, without gaps.

The output topic is the truth: its last committed record says which minute was published last. A crash
anywhere is healed by running this again from 1, and nothing else decides anything.

1   lock       one flusher at a time; not getting the lease, or losing it, is a normal return
2   look       the topics are as they must be; the last committed record of unique-counts is not another
               Tally's: else halt and fence nobody
    init       a new producer, init_transactions(): fences every older one, resolves its open transaction
3   last       no other transaction is open; the same look, which now is final -> the checkpoint, the minute
               W, behind all that was ever acknowledged
4   raise      tally:sealed = max(tally:sealed, W)
5   leftovers  pending minutes <= W, if their records are ours, are already published: settle them (6e); where
               a minute was published without a counter, its calls count in the present minute
6   the minutes W+1 ... the last that is over (tasks/publishing/watermark.py; further, if further ones are
    sealed) in order, idle ones too, several to a transaction where there is a backlog:
6a  seal       tally:sealed = the last of them; read each one's stats; its index must be as long as `unique`
6b  publish    begin; id-counts in chunks; the unique-counts records, one for each counter that has a row
               (tasks/publishing/rows.py); commit; remember what is acknowledged
6c  read back  the committed records are these; anything else: delete nothing, publish nothing again
6d  announce   the line of the log, and the metrics, of each minute
6e  settle     delete the keys in chunks by the index, then index, stats, pending entry
7   unlock     let the next one in
8   history    a hint to the task that follows the topic for people (tasks/publishing/history.py)
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from celery import Task, current_app, shared_task
from confluent_kafka.admin import AdminClient
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from counter.kafka.client import client_config, prefixed
from counter.minute import Minute
from counter.store.clients import connect
from counter.store.counts import CorruptMinute, CountStore, Stats
from counter.store.keys import GARBLED
from counter.store.late import carry
from counter.store.lease import Lease, LeaseLost
from counter.store.opening import NotOpened, open_counter
from counter.task_names import FLUSH, HISTORY
from counter.ticks import EARLY_SECONDS
from tasks import metrics
from tasks.kafka.errors import Fenced, KafkaAway, StartOver
from tasks.kafka.shape import look
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.publishing.announcement import announce
from tasks.publishing.checkpoint import Halt, find_checkpoint, look_back
from tasks.publishing.manners import Manners
from tasks.publishing.open_transaction import wait_decided
from tasks.publishing.ownership import Leftover, NotOurs, Ownership
from tasks.publishing.published_log import NoTopic, Published, PublishedLog
from tasks.publishing.records import BadRecord, UniqueCount
from tasks.publishing.rows import MAX_MINUTES, Row, begin, choose, going_on
from tasks.publishing.steps import step
from tasks.publishing.transaction import Transaction
from tasks.publishing.watermark import find_watermark

logger = structlog.get_logger(__name__)

MAX_STARTS = 3
"""Transactions in a row that come to nothing, before the task backs off."""

BUDGET_SECONDS = 240
"""After this the rest of a backlog goes to a task of its own: far below the broker's visibility timeout."""

HINT_SECONDS = 60
"""A hint to the history that waited this long has been overtaken by another flush's."""

MAX_RETRIES = 5
FIRST_RETRY_SECONDS = 1
"""Doubled each time: together the retries reach to the next tick, which begins anew."""

HALTED_SECONDS = 10
"""So do these, of a flush that halted."""


@dataclass(slots=True)
class Report:
    """What a run did, and when to look again before the next tick."""

    published: list[Minute] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    """Transactions begun for each of them"""
    again_in: timedelta | None = None


class Flush:
    """One run of the protocol. Use it once, in one thread."""

    def __init__(self, store: CountStore, manners: Manners | None = None) -> None:
        self._store = store
        self._lease: Lease = store.lease()
        self._manners = manners or Manners()
        self._report = Report()
        self._ongoing: set[str] = set()

    def run(self) -> Report:
        """Publish and settle all that is closed.

        Raises Halt where that is not safe; KafkaAway, StartOver or RedisError where it did not work this
        time. Whatever is raised, running it again is right.
        """
        with step("1.lock"):
            if not self._lease.take():
                # Its holder does the work, or is dead: then look again when its lease has run out.
                self._report.again_in = self._lease.remaining()
                return self._report
        try:
            with AdminClient(client_config()) as admin:
                self._drain(admin)
        except (LeaseLost, Fenced) as overtaken:
            kind = self._kind(overtaken)
            metrics.FLUSHES.labels("overtaken").inc()
            metrics.OVERTAKEN.labels(kind).inc()
            logger.info("another flusher has taken over", error=str(overtaken), kind=kind)
        except (CorruptMinute, BadRecord, NoTopic, NotOurs) as error:
            raise Halt(str(error)) from error
        except ResponseError as error:
            if GARBLED.search(str(error)):
                raise Halt(str(error)) from error
            raise
        finally:
            with step("7.unlock"):
                self._lease.release()
        return self._report

    def _kind(self, overtaken: LeaseLost | Fenced) -> str:
        """Whoever fenced us while our lease is our own flushes from another Redis."""
        if isinstance(overtaken, LeaseLost):
            return "lease_lost"
        return "fenced_from_elsewhere" if self._lease.is_ours() else "fenced"

    def _drain(self, admin: AdminClient) -> None:
        deadline = time.monotonic() + BUDGET_SECONDS
        starts = 0
        while time.monotonic() < deadline:
            try:
                left = self._turn(admin)
                starts = 0
            except StartOver as error:
                starts += 1
                metrics.RETRIES.labels("transaction").inc()
                if starts == MAX_STARTS:
                    raise
                logger.warning("starting over", error=str(error))
                continue
            if not left:
                with step("7.resume"):
                    self._store.resume()
                self._report.again_in = self._until_next()
                return
        self._report.again_in = timedelta(0)

    def _until_next(self) -> timedelta | None:
        """To the end of the present minute, when that is near."""
        with step("7.clock"):
            now = self._store.now()
        remaining = Minute.at(now).end - now
        return timedelta(seconds=remaining) if remaining < EARLY_SECONDS else None

    def _turn(self, admin: AdminClient) -> bool:
        """Steps 2 to 6 for one transaction; whether a closed minute is left."""
        with step("2.shape"):
            for counter in settings.COUNTERS:
                with suppress(NotOpened, OutOfMemoryError):  # what waits is published all the same
                    open_counter(self._store.client, counter)
            self._store.learn()
            self._check_shape(admin)
        with Transaction(self._lease.extend) as transaction, PublishedLog() as log:
            with step("2.look"):
                ownership = Ownership(self._store)
                look_back(self._store, log, ownership)
            with step("2.init"):
                transaction.init()
            with step("3.open"):
                wait_decided(admin, self._lease.extend)
            with step("3.last"):
                checkpoint = find_checkpoint(self._store, log, ownership)
                self._check_acknowledged(checkpoint)
            if not checkpoint:
                return False
            with step("4.raise"):
                self._store.seal(checkpoint)
            with step("5.leftovers"):
                self._clear(ownership.check(log, self._store, checkpoint))
            with step("6.closed"):
                self._watermark = find_watermark(self._store, log)
                last = max(checkpoint, self._watermark.minute, self._store.sealed() or checkpoint)
                self._ongoing = going_on(log.last_minute())
                first = begin(self._store, checkpoint + 1, last, self._ongoing) if last > checkpoint else None
            if not first:
                return False
            self._identity = ownership.identity
            return self._publish(transaction, log, first, last)

    def _clear(self, leftovers: Sequence[Leftover]) -> None:
        """5: what is published is settled; calls of a counter that its minute does not have count later."""
        for leftover in leftovers:
            store = self._store.of(leftover.counter)
            if leftover.is_published:
                self._settle(store, leftover.minute)
            else:
                told = {"counter": leftover.counter, "minute": str(leftover.minute)}
                logger.warning("calls of a published minute count in a later one", **told)
                carry(store.client, [leftover.minute], store.buckets)

    def _check_shape(self, admin: AdminClient) -> None:
        if found := [finding.text for finding in look(admin, self._store) if finding.halts]:
            raise Halt("; ".join(found))

    def _check_acknowledged(self, checkpoint: Minute | None) -> None:
        """A commit that Kafka has acknowledged is never made again, unless an operator says so."""
        if kept := self._store.acknowledged():
            last, offset = kept
            if not checkpoint or checkpoint < last:
                raise Halt(_missing(last, offset))

    def _publish(self, transaction: Transaction, log: PublishedLog, first: Minute, last: Minute) -> bool:
        """6: one transaction from `first` on, at most to `last`; whether minutes up to `last` are left."""
        with step("6a.seal"):
            self._store.seal(min(last, first + MAX_MINUTES - 1))
            minutes = choose(self._store, first, last, self._ongoing)
            attempt = self._store.attempt(first)
        with step("6b.begin"):
            transaction.begin()
        records = [record for rows in minutes for record in self._add(transaction, rows)]
        with step("6b.commit"):
            offsets = transaction.commit()
        with step("6b.acknowledged"):
            self._store.acknowledge(records[-1].minute, offsets[0])
        with step("6c.read_back"):
            published = self._read_back(log, offsets, records)
        with step("6c.published"):
            self._store.published()
        with step("6d.announce"):
            announce(published, attempt)
        self._report.published += dict.fromkeys(record.minute for record in records)
        for record in records:
            self._report.attempts[str(record.minute)] = attempt
            if record.stats.total:
                self._settle(self._store.of(record.counter), record.minute)
        return records[-1].minute < last

    def _add(self, transaction: Transaction, rows: Sequence[Row]) -> list[UniqueCount]:
        """6b for one minute: all id-counts, then the records of its counters."""
        if settings.PUBLISH_ID_COUNTS:
            with step("6b.id_counts"):
                for row in rows:
                    if row.stats.total:
                        self._manners.exhaust(self._add_id_counts(transaction, row))
        with step("6b.unique_count"):
            records = [self._record(row) for row in rows]
            for record in records:
                transaction.add_unique_count(record)
        return records

    def _record(self, row: Row) -> UniqueCount:
        partitions = self._watermark.partitions if row.minute <= self._watermark.minute else 0
        now = datetime.now(UTC)
        return UniqueCount(row.minute, row.stats, now, partitions, self._identity, row.counter)

    def _add_id_counts(self, transaction: Transaction, row: Row) -> Iterator[None]:
        """By chunks: yields after each."""
        unique = total = 0
        for counts in self._store.of(row.counter).counts(row.minute):
            transaction.add_id_counts(row.minute, row.counter, counts)
            unique += len(counts)
            total += sum(count for _, count in counts)
            yield
        if Stats(unique, total) != row.stats:
            raise CorruptMinute(f"minute {row.minute} has counts of {unique}/{total} and {row.stats}")

    def _read_back(
        self, log: PublishedLog, offsets: list[int], records: list[UniqueCount]
    ) -> list[Published]:
        published = list(log.since(offsets[0]))
        found = [(each.record.counter, each.record.minute, each.record.stats) for each in published]
        wanted = [(each.counter, each.minute, each.stats) for each in records]
        if found[: len(wanted)] != wanted:
            raise Halt(_missing(records[-1].minute, offsets[0]))
        if len(found) > len(wanted):
            raise StartOver("the topic goes on behind what was committed")
        return published

    def _settle(self, store: CountStore, minute: Minute) -> None:
        with step("6e.settle"):
            self._manners.exhaust(self._delete(store, minute))

    def _delete(self, store: CountStore, minute: Minute) -> Iterator[None]:
        """By chunks: yields after each."""
        for _ in store.settle(minute):
            self._lease.extend()
            yield


def _missing(last: Minute, offset: int) -> str:
    return (
        f"Kafka has acknowledged the minutes up to {last}, at offset {offset} of {prefixed(UNIQUE_COUNTS)},"
        " and does not have them: publishing them again might double them"
    )


@shared_task(name=FLUSH, bind=True, max_retries=MAX_RETRIES)
def flush_closed_minutes(task: Task[[], None]) -> None:
    """Drain every closed minute. Takes no arguments: a lost, doubled or late message changes nothing."""
    store = CountStore(connect())
    try:
        report = Flush(store).run()
    except Halt as halt:
        metrics.FLUSHES.labels("halted").inc()
        logger.error("publishing has stopped", error=str(halt))
        store.halt(str(halt))
        if task.request.retries < MAX_RETRIES:  # a look before the next tick, for the cause may be mended
            raise task.retry(countdown=HALTED_SECONDS) from halt
        return
    except (KafkaAway, StartOver, RedisError) as error:
        metrics.FLUSHES.labels("failed").inc()
        metrics.RETRIES.labels("redis" if isinstance(error, RedisError) else "kafka").inc()
        logger.warning("the flush did not get through", error=str(error))
        raise task.retry(exc=error, countdown=FIRST_RETRY_SECONDS * 2**task.request.retries) from error
    if report.published:
        metrics.FLUSHES.labels("published").inc()
        with step("8.history"), suppress(OperationalError, RedisError):
            current_app.send_task(HISTORY, args=[report.attempts], expires=HINT_SECONDS, retry=False)
    if report.again_in is not None and not task.request.retries:
        raise task.retry(countdown=report.again_in.total_seconds())
