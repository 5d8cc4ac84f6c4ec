"""`manage.py verify`."""

from typing import Any

from django.core.management.base import CommandParser

from counter.management.report import ReportCommand
from counter.store.clients import connect
from counter.store.orphans import Orphan, Orphans


class Command(ReportCommand):
    """Look for counts that no index knows."""

    help = (
        "Scan Redis for counts that no index knows, which would never be published. Exits with 1 if any stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """`--adopt`, beside `--json`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="count them: in their minute, or where that is sealed in the present one",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it."""
        super().handle(*args, **options)
        if self._stay:
            raise SystemExit(1)

    def report(self, **options: Any) -> tuple[Any, str]:
        """One row a stray."""
        strays, adopt = Orphans(connect()), options["adopt"]
        found = [(stray, strays.adopt(stray) if adopt else None) for stray in strays.find()]
        self._stay = bool(found) and not adopt
        facts = [_fact(stray) | ({"counted_in": str(home)} if home else {}) for stray, home in found]
        rows = [
            f"{stray.minute}_{stray.id} = {stray.count}" + (f", counted in {home}" if home else "")
            for stray, home in found
        ]
        return facts, "\n".join([*rows, f"{len(found)} counts that no index knows"])


def _fact(stray: Orphan) -> dict[str, str | int]:
    return {"minute": str(stray.minute), "id": stray.id, "count": stray.count}
