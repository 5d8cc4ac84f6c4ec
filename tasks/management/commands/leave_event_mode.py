"""`tally leave_event_mode`."""

from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from counter.kafka.client import REQUESTS, client_config, prefixed
from counter.management.confirmation import add_yes, confirm
from counter.mode import is_event_mode
from counter.redis.clients import connect
from counter.store.offsets import Progress, counted_to, forget_events
from tasks.audits.minute_reader import read_ends
from tasks.errors import PublishingError

MEANING = """\
The topic requests is DELETED, and minutes end by Redis's clock alone again.

  - Every web server must run with ACCEPT_SINK=redis by now: what another one appends is lost.
  - No consolidator may run any more.
  - What was published can't be counted again any more.
"""
TIMEOUT_SECONDS = 30.0


class Command(BaseCommand):
    """The last step on the way back to calls that are counted at once."""

    help = "Delete the topic requests, if all of it is counted, and have no minute wait for it any more."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        add_yes(parser)

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Refuses where anything would be lost, as far as it can see."""
        if is_event_mode():
            raise CommandError("ACCEPT_SINK is kafka: set it to redis everywhere first")
        if not options["yes"]:
            confirm(self.stderr, MEANING, "leave")
        try:
            self._delete_topic()
        except KafkaException as error:
            raise CommandError(f"Kafka did not delete the topic, try again: {error}") from error
        forget_events(connect())
        self.stdout.write("Minutes end by Redis's clock alone.")

    def _delete_topic(self) -> None:
        topic = prefixed(REQUESTS)
        with AdminClient(client_config()) as admin:
            if topic in admin.list_topics(timeout=TIMEOUT_SECONDS).topics:  # or it was broken off before
                self._check_counted()
                admin.delete_topics([topic])[topic].result(TIMEOUT_SECONDS)

    def _check_counted(self) -> None:
        positions = Progress.known(connect()).positions()
        try:
            ends = read_ends()
        except PublishingError as error:
            raise CommandError(str(error)) from error
        for partition, end in ends.items():
            counted = counted_to(positions.get(partition, []))
            if counted < end:
                raise CommandError(
                    f"partition {partition} has {end - counted} events that are not counted:"
                    " let tally consolidate read to the end"
                )
