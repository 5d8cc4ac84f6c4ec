"""Report: what one run of the flush did."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from counter.minute import Minute
from tasks.output.records import UniqueCount


@dataclass(slots=True)
class Report:
    """What a run did, and when to look again before the next tick."""

    published: list[Minute] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    """Transactions begun for each of them"""
    again_in: timedelta | None = None

    def add(self, records: Iterable[UniqueCount], attempt: int) -> None:
        """A transaction is committed that has these records."""
        minutes = dict.fromkeys(record.minute for record in records)
        self.published += minutes
        self.attempts |= {str(minute): attempt for minute in minutes}
