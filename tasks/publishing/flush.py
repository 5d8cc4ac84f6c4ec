"""The flush: every closed minute from Redis to Kafka, exactly once, in order, without gaps.

The output topic is the truth: its last committed record says which minute was published last. A crash
anywhere is healed by running this again from 1, and nothing else decides anything.

1   lock       one flusher at a time; not getting the lease, or losing it, is a normal return
2   look       the topics are as they must be; the last committed record of unique-counts is not another
               Tally's: else halt and fence nobody
    init       a new producer, init_transactions(): fences every older one, resolves its open transaction
3   last       no other transaction is open, and one of ours that Kafka has forgotten to end is aborted; the
               same look, which now is final -> the checkpoint, the minute W, behind all that was acknowledged
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
8   note       for people (counter/journal/flush_log.py), and
    history    a hint to the task that follows the topic for them (tasks/publishing/history.py)
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import redis
import structlog
from confluent_kafka.admin import AdminClient
from django.conf import settings
from redis.exceptions import OutOfMemoryError, ResponseError

from counter.kafka.client import client_config
from counter.minute import Minute
from counter.redis import clock
from counter.store.counts import CorruptMinute, CountStore
from counter.store.keys import GARBLED
from counter.store.late import carry
from counter.store.lease import Lease, LeaseLost
from counter.store.opening import NotOpened, open_counter
from counter.store.publishing_state import PublishingState
from counter.store.sealing import seal_everywhere
from counter.ticks import EARLY_SECONDS
from tasks import metrics
from tasks.errors import Fenced, Halt, StartOver
from tasks.kafka.shape import look
from tasks.output.published_log import PublishedLog
from tasks.output.transaction import Transaction
from tasks.publishing.checkpoint import find_checkpoint, look_back
from tasks.publishing.forgotten import Forgotten
from tasks.publishing.manners import Manners
from tasks.publishing.ownership import Leftover, Ownership
from tasks.publishing.publication import Plan, Publication, check_acknowledged
from tasks.publishing.report import Report
from tasks.publishing.rows import begin, going_on
from tasks.publishing.settling import settle
from tasks.publishing.steps import step
from tasks.publishing.watermark import find_watermark

logger = structlog.get_logger(__name__)

MAX_STARTS = 3
"""Transactions in a row that come to nothing, before the task backs off."""

BUDGET_SECONDS = 240
"""After this the rest of a backlog goes to a task of its own: far below the broker's visibility timeout."""


class Flush:
    """One run of the protocol. Use it once, in one thread."""

    def __init__(self, client: redis.Redis, manners: Manners | None = None) -> None:
        """`client` must return bytes, not str; it may repeat commands."""
        self._client = client
        self._state = PublishingState(client)
        self._lease = Lease(client)
        self._manners = manners or Manners()
        self._report = Report()
        self._forgotten = Forgotten(self._state, self._lease.extend)

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
        except CorruptMinute as error:
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
                    self._state.resume()
                self._report.again_in = self._until_next()
                return
        self._report.again_in = timedelta(0)

    def _until_next(self) -> timedelta | None:
        """To the end of the present minute, when that is near."""
        with step("7.clock"):
            now = clock.now(self._client)
        remaining = Minute.at(now).end - now
        return timedelta(seconds=remaining) if remaining < EARLY_SECONDS else None

    def _turn(self, admin: AdminClient) -> bool:
        """Steps 2 to 6 for one transaction; whether a closed minute is left."""
        with step("2.shape"):
            for counter in settings.COUNTERS:
                with suppress(NotOpened, OutOfMemoryError):  # what waits is published all the same
                    open_counter(self._client, counter)
            self._check_shape(admin)
        with Transaction(self._lease.extend) as transaction, PublishedLog() as log:
            with step("2.look"):
                ownership = Ownership(self._client)
                look_back(self._state, log, ownership)
            with step("2.init"):
                transaction.init()
            with step("3.open"):
                self._forgotten.wait_decided(admin, transaction, log)
            with step("3.last"):
                checkpoint = find_checkpoint(self._client, log, ownership)
                check_acknowledged(self._state, checkpoint)
            if not checkpoint:
                return False
            with step("4.raise"):
                store = seal_everywhere(self._client, checkpoint)
            with step("5.leftovers"):
                self._clear(ownership.check(log, store, checkpoint), store)
            with step("6.closed"):
                watermark = find_watermark(self._client, log)
                last = max(checkpoint, watermark.minute, store.sealed() or checkpoint)
                ongoing = going_on(log.last_minute())
                first = begin(store, checkpoint + 1, last, ongoing) if last > checkpoint else None
            if not first:
                return False
            plan = Plan(first, last, ongoing, watermark, ownership.identity)
            publication = Publication(self._client, self._lease, self._manners, self._report)
            return publication.publish(transaction, log, plan) < last

    def _clear(self, leftovers: Sequence[Leftover], store: CountStore) -> None:
        """5: what is published is settled; calls of a counter that its minute does not have count later."""
        for leftover in leftovers:
            of_counter = store.of(leftover.counter)
            if leftover.is_published:
                settle(of_counter, leftover.minute, self._lease, self._manners)
            else:
                told = {"counter": leftover.counter, "minute": str(leftover.minute)}
                logger.warning("calls of a published minute count in a later one", **told)
                carry(self._client, [leftover.minute], of_counter.buckets)

    def _check_shape(self, admin: AdminClient) -> None:
        if found := [finding.text for finding in look(admin, self._client) if finding.halts]:
            raise Halt("; ".join(found))
