"""The watermark: which minute was published last. Steps 3 and 4 of the flush hang on it."""

import time

from counter.minute import Minute
from counter.store.counts import CountStore
from tasks.publishing.published_log import PublishedLog
from tasks.publishing.records import BadRecord
from tasks.publishing.watermark import find_closing

MAX_CLOCK_DIFFERENCE_SECONDS = 30
"""Between a node of Redis and this process. NTP keeps within milliseconds; more means that one is wrong."""


class Halt(Exception):
    """Going on could publish twice or lose counts, so nothing is published and nothing deleted."""


def find_watermark(store: CountStore, log: PublishedLog) -> Minute | None:
    """The last published minute; None while nothing was ever accepted.

    Raises Halt where that can't be told for sure, or where the clocks disagree; KafkaAway.
    """
    now = _now(store)
    first = store.first()
    known = [first - 1] if first else []
    try:
        if last := log.last():
            known.append(last.record.minute)
    except BadRecord as error:
        if not known:
            raise Halt(str(error)) from error
    if not known:
        return _origin(store, log)
    watermark = max(known)
    sealed = store.sealed()
    is_sealed = sealed is not None and sealed >= watermark
    if not is_sealed and not watermark.is_closed(now + MAX_CLOCK_DIFFERENCE_SECONDS):
        raise Halt(f"unique-counts ends with the minute {watermark}, which is still to come")
    settled = store.settled()
    if settled and settled > watermark:
        raise Halt(f"unique-counts ends with the minute {watermark}, but {settled} was in it already")
    return watermark


def _now(store: CountStore) -> float:
    """Redis's clock. Where one of its nodes and we disagree, someone would close minutes too early."""
    clocks, here = store.clocks(), time.time()
    if (difference := max(abs(clock - here) for clock in clocks)) > MAX_CLOCK_DIFFERENCE_SECONDS:
        raise Halt(f"the clocks of Redis and of this worker are {difference:.0f} seconds apart")
    return min(clocks)


def _origin(store: CountStore, log: PublishedLog) -> Minute | None:
    """The minute before the first one ever."""
    if sealed := store.sealed():
        raise Halt(f"unique-counts has no record, but the minutes up to {sealed} were sealed")
    pending = store.pending()
    if not pending:
        return None
    closing = find_closing(store, log)
    if closing.partitions and pending[0] > closing.minute:
        return None  # events of an earlier one may not have been counted yet
    store.begin_at(pending[0])
    return pending[0] - 1
