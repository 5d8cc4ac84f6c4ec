"""`tally pending`."""

from collections.abc import Iterator
from dataclasses import asdict
from heapq import merge
from typing import Any

import redis
from typing_extensions import override

from counter.management.report import ReportCommand
from counter.management.table import table
from counter.redis.clients import connect
from counter.store.counts import CountStore
from counter.store.pending import MAX_PAGE, Pending, PendingMinutes


class Command(ReportCommand):
    """The table of the minutes that wait in Redis."""

    help = "List the minutes that wait in Redis, oldest first."

    @override
    def report(self, **options: Any) -> tuple[Any, str]:
        minutes = list(_all())
        facts = [_fact(each) for each in minutes]
        rows = (
            (
                str(each.minute),
                each.counter,
                each.state,
                f"{each.unique:,}",
                f"{each.total:,}",
                f"{each.age_seconds:.0f} s",
            )
            for each in minutes
        )
        return facts, table(("minute", "counter", "state", "unique", "total", "age"), rows)


def _fact(pending: Pending) -> dict[str, Any]:
    fact = asdict(pending) | {"minute": str(pending.minute)}
    return {name: value for name, value in fact.items() if name != "counter" or value}


def _all() -> Iterator[Pending]:
    client = connect()
    counters = CountStore.known(client).counters
    return merge(*(_of(client, counter) for counter in counters), key=lambda each: each.minute)


def _of(client: redis.Redis, counter: str) -> Iterator[Pending]:
    reader, since = PendingMinutes(client, counter), "-inf"
    while page := reader.list(since, limit=MAX_PAGE):
        yield from page
        since = f"({page[-1].minute}"
