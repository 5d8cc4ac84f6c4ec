"""`tally consolidate`."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from typing_extensions import override

from counter.monitoring.exposition import serve
from counter.redis.clients import connect
from tasks.events.consolidator import Consolidator


class Command(BaseCommand):
    """The downstream service of event mode, in the foreground."""

    help = "Count the events of the topic requests until SIGTERM. Run as many as it has partitions, at most."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--skip-lost",
            action="store_true",
            help="where Kafka no longer has what comes next, go on with what it has: the rest is lost",
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Returns after SIGTERM or Ctrl-C, when what was in hand is counted."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        serve()
        Consolidator(connect(), stop, skip_lost=options["skip_lost"]).run()
