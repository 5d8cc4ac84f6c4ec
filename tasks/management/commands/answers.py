"""`tally answers`."""

import socket
from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandError, CommandParser
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tasks.publishing.steps import overdue

PING_SECONDS = 5.0


class Command(BaseCommand):
    """Liveness, for what supervises a worker: exits with 1 where it is of no use any more."""

    help = (
        "Whether the worker of this machine answers, and none of its processes hangs in a step of the flush."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Which worker."""
        parser.add_argument("worker", help="its name before the @: flush or callbacks")

    def handle(self, *args: Any, **options: Any) -> None:
        """Says what is wrong."""
        if steps := overdue():
            raise CommandError(f"a process hangs in {', '.join(steps)}")
        name = f"{options['worker']}@{socket.gethostname()}"
        try:
            answer = current_app.control.ping([name], timeout=PING_SECONDS)
        except (OperationalError, RedisError) as error:
            raise CommandError(f"the broker does not answer: {error}") from error
        if not answer:
            raise CommandError(f"{name} does not answer")
        self.stdout.write(f"{name} answers")
