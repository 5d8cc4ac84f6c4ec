"""`tally replay`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from counter.management.words import minutes_of
from tasks.audits.replay import Replay
from tasks.errors import PublishingError
from tasks.management.counting import add_range, counting, minutes


class Command(BaseCommand):
    """Counts minutes again from the events, and publishes them elsewhere."""

    help = "Count minutes again from the topic requests, into <prefix>unique-counts and <prefix>id-counts."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        """One minute or a range, and where to."""
        add_range(parser)
        parser.add_argument("--prefix", required=True, help="of the topics' names; they are made if need be")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Says how many minutes there are now."""
        first, last = minutes(options)
        try:
            replay = Replay(first, last, options["prefix"])
            with counting(replay.records()) as advance:
                done = list(replay.run(advance))
        except PublishingError as error:
            raise CommandError(f"the replay did not get through, run it again: {error}") from error
        self.stdout.write(f"{minutes_of(len(done))} replayed, up to {last}.")
