"""ReportCommand: a command that says what it found, to people or with `--json` to programs."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError
from typing_extensions import override


class ReportCommand(BaseCommand):
    """The base of commands that only report: a subclass implements `report`, and this prints it."""

    requires_system_checks = ()
    status = 0
    """The exit status, once `report` has returned."""

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="write JSON instead of text")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            facts, text = self.report(**options)
        except RedisError as error:
            raise CommandError(f"Redis does not answer: {error}") from error
        self.stdout.write(json.dumps(facts) if options["json"] else text)
        if self.status:
            raise SystemExit(self.status)

    def report(self, **options: Any) -> tuple[Any, str]:
        """What there is to say: for programs, and for people."""
        raise NotImplementedError
