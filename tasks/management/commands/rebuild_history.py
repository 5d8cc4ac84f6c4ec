"""`tally rebuild_history`."""

from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from counter.management.words import minutes_of
from tasks.errors import PublishingError
from tasks.output.published_log import PublishedLog
from tasks.publishing import history

CHUNK = 1000


class Command(BaseCommand):
    """Make the history again from the topic."""

    help = "Make the history of published minutes again from the topic; changes nothing but the database."

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Says how far it is, a line for every so many records."""
        count = 0
        try:
            with PublishedLog() as log:
                records = log.beyond(-1)
                while chunk := list(islice(records, CHUNK)):
                    history.restore(chunk)
                    count += len(chunk)
                    self.stdout.write(f"{minutes_of(count)}, up to {chunk[-1].record.minute}")
        except PublishingError as error:
            raise CommandError(f"after {minutes_of(count)}: {error}") from error
        self.stdout.write(f"The history has all of the topic: {minutes_of(count)}.")
