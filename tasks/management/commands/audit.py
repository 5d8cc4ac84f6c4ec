"""`manage.py audit`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from counter.minute import Minute
from tasks.events.audit import Audit, Difference
from tasks.events.recount import Advance, CannotTell
from tasks.kafka.errors import KafkaAway
from tasks.publishing.published_log import NoTopic
from tasks.publishing.records import BadRecord

DIFFERENT, CANNOT_TELL = 1, 2
SHOWN, KEPT = 50, 10_000
"""Differences in the table, and with `--json`: who has more needs no more to see that all is wrong."""


class Command(BaseCommand):
    """Counts minutes again from the events, and compares."""

    help = (
        "Count minutes again from the topic requests, and compare with what was published of them."
        " Exits with 0 when it is the same, 1 when it is not, 2 when that can't be told."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """One minute or a range, and `--json`."""
        add_range(parser)
        parser.add_argument("--json", action="store_true", help="write JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exits with its status."""
        first, last = minutes(options)
        try:
            differences = self._run(Audit(first, last, id_counts=settings.PUBLISH_ID_COUNTS))
        except (CannotTell, KafkaAway, NoTopic, BadRecord) as error:
            self.stderr.write(f"can't tell: {error}")
            raise SystemExit(CANNOT_TELL) from error
        if options["json"]:
            found = [_fact(each) for each in differences]
            facts = {"from": str(first), "to": str(last), "differences": found}
            self.stdout.write(json.dumps(facts))
        else:
            self.stdout.write(_table(first, last, differences))
        if differences:
            raise SystemExit(DIFFERENT)

    def _run(self, audit: Audit) -> list[Difference]:
        with counting(audit.records()) as advance:
            return list(islice(audit.run(advance), KEPT))


def add_range(parser: CommandParser) -> None:
    """The arguments that `minutes` reads."""
    parser.add_argument("minute", nargs="?", type=Minute.parse, help="yyyyMMddHHmm, in UTC")
    parser.add_argument("--from", dest="first", type=Minute.parse, metavar="MINUTE")
    parser.add_argument("--to", dest="last", type=Minute.parse, metavar="MINUTE", help="it as well")


@contextmanager
def counting(events: int) -> Iterator[Advance]:
    """A bar on standard error, for so many events; what moves it on."""
    columns = ("counting again", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("events", total=events)
        yield lambda records: progress.advance(task, records)


def minutes(options: dict[str, Any]) -> tuple[Minute, Minute]:
    """The first and the last one that are meant. Raises CommandError."""
    first, last = options["first"] or options.get("minute"), options["last"] or options.get("minute")
    if not first or not last or last < first:
        raise CommandError("name a minute, or --from and --to")
    return first, last


def _fact(difference: Difference) -> dict[str, str | int]:
    return {
        "minute": str(difference.minute),
        "what": difference.what,
        "counted": difference.counted,
        "published": difference.published,
    }


def _table(first: Minute, last: Minute, differences: list[Difference]) -> str:
    count = last.number - first.number + 1
    if not differences:
        return f"{first} to {last}: {count} minutes, no difference."
    table = Table("minute", "what", "counted again", "published", title=f"{len(differences):,} differences")
    for each in differences[:SHOWN]:
        table.add_row(str(each.minute), each.what, f"{each.counted:,}", f"{each.published:,}")
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
