"""`manage.py flush`."""

import time
from typing import Any

from django.core.management.base import CommandError

from counter.connection import connect
from counter.management.report import ReportCommand
from counter.reading import PendingMinutes, State
from counter.store import CountStore
from tasks.brokers import KafkaAway, StartOver
from tasks.flush import Flush
from tasks.history import follow_topic
from tasks.watermark import Halt

PAUSE_SECONDS = 1.0
"""Between two runs: what the first left is another flusher's work."""


class Command(ReportCommand):
    """The flush in the foreground. Standard error has its progress, one line a published minute."""

    help = "Publish every closed minute now, idle ones too, and show the progress."

    def report(self, **options: Any) -> tuple[Any, str]:
        """Returns when no closed minute is left, whoever published it."""
        client, attempts = connect(), dict[str, int]()
        self._show_waiting(PendingMinutes(client))
        try:
            attempts |= Flush(CountStore(client)).run().attempts
            while self._show_waiting(PendingMinutes(client)):
                time.sleep(PAUSE_SECONDS)
                attempts |= Flush(CountStore(client)).run().attempts
        except Halt as error:
            raise CommandError(f"publishing has stopped: {error}") from error
        except (KafkaAway, StartOver) as error:
            raise CommandError(f"the flush did not get through: {error}") from error
        follow_topic(attempts)
        return {"published": [*attempts]}, f"published {len(attempts)} minutes"

    def _show_waiting(self, reader: PendingMinutes) -> int:
        waiting = sum(each.state is not State.OPEN for each in reader.list())
        self.stderr.write(f"{waiting} closed minutes wait")
        return waiting
