"""A moment and a length of time, as Tally writes them everywhere: API, Kafka, CSV and console."""

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """`2026-11-23T08:02:00.214Z`: in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(length: float) -> float:
    """With three decimals at most."""
    return round(length, 3)
