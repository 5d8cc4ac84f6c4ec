"""`tally audit_minutes`."""

from itertools import islice
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from typing_extensions import override

from counter.counters import as_field
from counter.management.report import ReportCommand
from counter.management.table import table
from counter.management.words import minutes_of
from counter.minute import Minute
from tasks.audits.audit import Audit, Difference
from tasks.errors import PublishingError
from tasks.management.counting import add_range, counting, minutes

DIFFERENT, CANNOT_TELL = 1, 2
SHOWN, KEPT = 50, 10_000
"""Differences in the table, and with `--json`: who has more needs no more to see that all is wrong."""


class Command(ReportCommand):
    """Counts minutes again from the events, and compares."""

    help = (
        "Count minutes again from the topic requests, and compare with what was published of them."
        " Exits with 0 when it is the same, 1 when it is not, 2 when that can't be told."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_range(parser)

    @override
    def report(self, **options: Any) -> tuple[Any, str]:
        first, last = minutes(options)
        try:
            differences = _run(Audit(first, last, id_counts=settings.PUBLISH_ID_COUNTS))
        except PublishingError as error:
            self.stderr.write(f"can't tell: {error}")
            raise SystemExit(CANNOT_TELL) from error
        self.status = DIFFERENT if differences else 0
        facts = {
            "since": str(first),
            "until": str(last),
            "differences": [_fact(each) for each in differences],
        }
        return facts, _text(first, last, differences)


def _run(audit: Audit) -> list[Difference]:
    with counting(audit.records()) as advance:
        return list(islice(audit.run(advance), KEPT))


def _fact(difference: Difference) -> dict[str, str | int]:
    return {
        "minute": str(difference.minute),
        **as_field(difference.counter),
        "what": difference.what,
        "counted": difference.counted,
        "published": difference.published,
    }


def _text(first: Minute, last: Minute, differences: list[Difference]) -> str:
    count = last.number - first.number + 1
    if not differences:
        return f"{first} to {last}: {minutes_of(count)}, no difference."
    return table(
        ("minute", "counter", "what", "counted again", "published"),
        (
            (str(each.minute), each.counter, each.what, f"{each.counted:,}", f"{each.published:,}")
            for each in differences[:SHOWN]
        ),
        title=f"{len(differences):,} differences",
    )
