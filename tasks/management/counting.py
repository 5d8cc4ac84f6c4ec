"""What the commands that count minutes again share: which minutes, and a bar that shows how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from counter.minute import Minute
from tasks.audits.minute_reader import Advance


def add_range(parser: CommandParser) -> None:
    """The arguments that `minutes` reads: one minute, or the first and the last one."""
    parser.add_argument("minute", nargs="?", type=Minute.parse, help="yyyyMMddHHmm, in UTC")
    parser.add_argument("--since", dest="first", type=Minute.parse, metavar="MINUTE")
    parser.add_argument("--until", dest="last", type=Minute.parse, metavar="MINUTE", help="it as well")


def minutes(options: dict[str, Any]) -> tuple[Minute, Minute]:
    """The first and the last one that are meant. Raises CommandError."""
    first, last = options["first"] or options.get("minute"), options["last"] or options.get("minute")
    if not first or not last or last < first:
        raise CommandError("name a minute, or --since and --until")
    return first, last


@contextmanager
def counting(events: int) -> Iterator[Advance]:
    """A bar on standard error, for so many events; what moves it on."""
    columns = ("counting again", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("events", total=events)
        yield lambda records: progress.advance(task, records)
