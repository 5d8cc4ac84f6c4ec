"""`tally setup`."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from typing_extensions import override


class Command(BaseCommand):
    """What the programs find done."""

    help = "What has to be done once before the programs start, and to be repeated after an upgrade."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--login", action="store_true", help="make a login of the console, too")

    @override
    def handle(self, *args: Any, verbosity: int, login: bool, **options: Any) -> None:
        told = {"verbosity": verbosity, "stdout": self.stdout, "stderr": self.stderr}
        call_command("migrate", **told)
        call_command("create_topics", **told)
        call_command("set_buckets", **told)
        if login:
            call_command("ensure_admin", **told)
