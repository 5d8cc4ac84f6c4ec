"""What the flush and the consolidator count of themselves; see counter/telemetry/metrics.py."""

from prometheus_client import Counter, Gauge, Histogram

from counter.counters import DEFAULT

OF_COUNTER = ["counter"]
"""Empty for the default one, which is how Prometheus writes a label that is not there."""

PUBLISHED_MINUTES = Counter(
    "tally_published_minutes", "Minutes whose commit was read back, idle ones too", OF_COUNTER
)
PUBLISHED_IDS = Counter("tally_published_ids", "Their distinct ids", OF_COUNTER)
PUBLISHED_CALLS = Counter("tally_published_calls", "Their calls", OF_COUNTER)
LAG_SECONDS = Histogram(
    "tally_publishing_lag_seconds",
    "From a minute's end to its record",
    buckets=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0),
)
STEP_SECONDS = Histogram(
    "tally_flush_step_seconds",
    "How long a step of the flush took",
    ["step"],
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0),
)
STEP_BEGAN = Gauge(
    "tally_flush_step_begin_timestamp_seconds",
    "When the process began the step that it is at, in Unix time; 0 where it is not at this one",
    ["step"],
    multiprocess_mode="liveall",
)
FLUSHES = Counter("tally_flushes", "Flushes, by how they ended", ["outcome"])
RETRIES = Counter(
    "tally_flush_retries",
    "What was tried again: a call of Kafka, a transaction, or the flush because Kafka or Redis was away",
    ["kind"],
)
OVERTAKEN = Counter(
    "tally_flush_overtaken",
    "Flushes that gave way to another: fenced by Kafka, by one of another Redis, or without their lease",
    ["kind"],
)

# From the start, for an alert does not see a series grow that begins with its first event.
for counter in (PUBLISHED_MINUTES, PUBLISHED_IDS, PUBLISHED_CALLS):
    counter.labels(DEFAULT)
for counter, values in (
    (FLUSHES, ("published", "overtaken", "halted", "failed")),
    (RETRIES, ("call", "transaction", "kafka", "redis")),
    (OVERTAKEN, ("fenced", "fenced_from_elsewhere", "lease_lost")),
):
    for value in values:
        counter.labels(value)

CONSOLIDATED = Counter("tally_consolidated_events", "Events that were counted")
UNREADABLE = Counter("tally_unreadable_records", "Records of `requests` that someone else wrote")
