"""The announcement of published minutes: a line of the log for each, and what is counted of them."""

import structlog

from counter.counters import as_field
from tasks import metrics
from tasks.output.published_log import Published

logger = structlog.get_logger(__name__)


def announce(published: list[Published], attempt: int) -> None:
    """They are in the topic, by the transaction that was their `attempt`-th."""
    for each in published:
        record = each.record
        metrics.PUBLISHED_MINUTES.labels(record.counter).inc()
        metrics.PUBLISHED_IDS.labels(record.counter).inc(record.stats.unique)
        metrics.PUBLISHED_CALLS.labels(record.counter).inc(record.stats.total)
        metrics.LAG_SECONDS.observe(record.lag_seconds)
        logger.info(
            "published",
            minute=str(record.minute),
            **as_field(record.counter),
            unique=record.stats.unique,
            total=record.stats.total,
            lag=round(record.lag_seconds, 3),
            attempt=attempt,
            offset=each.offset,
        )
