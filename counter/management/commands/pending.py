"""`manage.py pending`."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from counter.management.report import ReportCommand
from counter.store.clients import connect
from counter.store.pending import MAX_PAGE, Pending, PendingMinutes

ROW = "{:<12}  {:<10}  {:>12}  {:>12}  {:>10}"


class Command(ReportCommand):
    """The table of the minutes that wait in Redis."""

    help = "List the minutes that wait in Redis, oldest first."

    def report(self, **options: Any) -> tuple[Any, str]:
        """One row a minute."""
        minutes = list(_all())
        facts = [asdict(each) | {"minute": str(each.minute)} for each in minutes]
        rows = [
            ROW.format(str(each.minute), each.state, each.unique, each.total, f"{each.age_seconds:.0f} s")
            for each in minutes
        ]
        return facts, "\n".join([ROW.format("minute", "state", "unique", "total", "age"), *rows])


def _all() -> Iterator[Pending]:
    reader, since = PendingMinutes(connect()), "-inf"
    while page := reader.list(since, limit=MAX_PAGE):
        yield from page
        since = f"({page[-1].minute}"
