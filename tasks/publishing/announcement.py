"""The announcement of published minutes: a line of the log for each, and what is counted of them."""

import structlog

from tasks import metrics
from tasks.publishing.published_log import Published

logger = structlog.get_logger(__name__)


def announce(published: list[Published], attempt: int) -> None:
    """They are in the topic, by the transaction that was their `attempt`-th."""
    metrics.PUBLISHED_MINUTES.inc(len(published))
    metrics.PUBLISHED_IDS.inc(sum(each.record.stats.unique for each in published))
    metrics.PUBLISHED_CALLS.inc(sum(each.record.stats.total for each in published))
    for each in published:
        record = each.record
        metrics.LAG_SECONDS.observe(record.lag_seconds)
        logger.info(
            "published",
            minute=str(record.minute),
            unique=record.stats.unique,
            total=record.stats.total,
            lag=round(record.lag_seconds, 3),
            attempt=attempt,
            offset=each.offset,
        )
