"""`tally publish`."""

import time
from typing import Any

from django.core.management.base import CommandError
from typing_extensions import override

from counter.management.report import ReportCommand
from counter.management.words import minutes_of
from counter.redis.clients import connect
from counter.store.pending import PendingMinutes, State
from tasks.errors import Halt, TryLater
from tasks.publishing.flush import Flush
from tasks.publishing.history import follow_topic

PAUSE_SECONDS = 1.0
"""Between two runs: what the first left is another flusher's work."""


class Command(ReportCommand):
    """The flush in the foreground. Standard error has its progress, one line a published minute."""

    help = "Publish every closed minute now, idle ones too, and show the progress."

    @override
    def report(self, **options: Any) -> tuple[Any, str]:
        """Returns when no closed minute is left, whoever published it."""
        client, attempts = connect(), dict[str, int]()
        self._show_waiting(PendingMinutes(client))
        try:
            attempts |= Flush(client).run().attempts
            while self._show_waiting(PendingMinutes(client)):
                time.sleep(PAUSE_SECONDS)
                attempts |= Flush(client).run().attempts
        except Halt as error:
            raise CommandError(f"publishing has stopped: {error}") from error
        except TryLater as error:
            raise CommandError(f"the flush did not get through: {error}") from error
        follow_topic(attempts)
        return {"published": [*attempts]}, f"published {minutes_of(len(attempts))}"

    def _show_waiting(self, reader: PendingMinutes) -> int:
        waiting = sum(each.state is not State.OPEN for each in reader.list())
        self.stderr.write(f"{waiting} closed minutes wait")
        return waiting
