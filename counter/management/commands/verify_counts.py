"""`tally verify_counts`."""

from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from counter.counters import as_field
from counter.management.report import ReportCommand
from counter.redis.clients import connect
from counter.store.orphans import Orphan, Orphans


class Command(ReportCommand):
    """Look for counts that no index knows."""

    help = (
        "Scan Redis for counts that no index knows, which would never be published. Exits with 1 if any stay."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="count them: in their minute, or where that is sealed in the present one",
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if self._stay:
            raise SystemExit(1)

    @override
    def report(self, **options: Any) -> tuple[Any, str]:
        strays, adopt = Orphans(connect()), options["adopt"]
        found = [(stray, strays.adopt(stray) if adopt else None) for stray in strays.find()]
        self._stay = bool(found) and not adopt
        facts = [_fact(stray) | ({"counted_in": str(home)} if home else {}) for stray, home in found]
        rows = [
            f"{stray.bucket.prefix(stray.minute)}{stray.id} = {stray.count}"
            + (f", counted in {home}" if home else "")
            for stray, home in found
        ]
        return facts, "\n".join([*rows, f"{len(found)} counts that no index knows"])


def _fact(stray: Orphan) -> dict[str, str | int]:
    return {
        **as_field(stray.bucket.counter),
        "minute": str(stray.minute),
        "id": stray.id,
        "count": stray.count,
    }
