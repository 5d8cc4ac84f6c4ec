"""The checkpoint: which minute was published last. Steps 3 and 4 of the flush hang on it."""

import time
from contextlib import suppress

import redis

from counter.kafka.client import prefixed
from counter.minute import EPOCH, Minute
from counter.redis import clock
from counter.store.counts import CountStore
from counter.store.keys import Garbled
from counter.store.publishing_state import PublishingState
from tasks.errors import BadRecord, Halt
from tasks.kafka.topics import UNIQUE_COUNTS
from tasks.output.published_log import PublishedLog
from tasks.publishing.ownership import Ownership
from tasks.publishing.watermark import find_watermark

MAX_CLOCK_DIFFERENCE_SECONDS = 30
"""Between a node of Redis and this process. NTP keeps within milliseconds; more means that one is wrong."""


def look_back(state: PublishingState, log: PublishedLog, ownership: Ownership) -> list[Minute]:
    """The last published minute, by the topic and by `tally:first`: each as far as it says anything.

    Raises NotOurs, KafkaAway or NoTopic; BadRecord, unless `tally:first` is enough.
    """
    first = state.first()
    known = [first - 1] if first else []
    try:
        if last := ownership.last(log):
            known.append(last.record.minute)
    except BadRecord:
        if not known:
            raise
    return known


def find_checkpoint(client: redis.Redis, log: PublishedLog, ownership: Ownership) -> Minute | None:
    """The last published minute; None while nothing was ever accepted.

    Raises Halt where that can't be told for sure, or where the clocks disagree; further as `look_back`.
    """
    now = _now(client)
    known = look_back(PublishingState(client), log, ownership)
    if not known:
        return _origin(client, log)
    store = CountStore.known(client)
    checkpoint, topic = max(known), prefixed(UNIQUE_COUNTS)
    is_sealed = False
    with suppress(Garbled):  # 4 mends it
        is_sealed = (store.sealed() or EPOCH) >= checkpoint
    if not is_sealed and not checkpoint.is_closed(now + MAX_CLOCK_DIFFERENCE_SECONDS):
        raise Halt(f"{topic} ends with the minute {checkpoint}, which is still to come")
    settled = store.settled()
    if settled and settled > checkpoint:
        raise Halt(f"{topic} ends with the minute {checkpoint}, but {settled} was in it already")
    return checkpoint


def _now(client: redis.Redis) -> float:
    """Redis's clock. Where one of its nodes and we disagree, someone would close minutes too early."""
    clocks, here = clock.of_nodes(client), time.time()
    if (difference := max(abs(there - here) for there in clocks)) > MAX_CLOCK_DIFFERENCE_SECONDS:
        raise Halt(f"the clocks of Redis and of this worker are {difference:.0f} seconds apart")
    return min(clocks)


def _origin(client: redis.Redis, log: PublishedLog) -> Minute | None:
    """The minute before the first one ever."""
    store = CountStore.known(client)
    if sealed := store.sealed():
        raise Halt(f"{prefixed(UNIQUE_COUNTS)} has no record, but the minutes up to {sealed} were sealed")
    pending = store.pending()
    if not pending:
        return None
    watermark = find_watermark(client, log)
    if watermark.partitions and pending[0] > watermark.minute:
        return None  # events of an earlier one may not have been counted yet
    PublishingState(client).begin_at(pending[0])
    return pending[0] - 1
