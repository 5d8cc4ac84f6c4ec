"""`tally keep_partitions`."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from counter.kafka.client import prefixed
from counter.management.confirmation import add_yes, confirm
from counter.management.report import ReportCommand
from counter.redis.clients import connect
from counter.store.publishing_state import PublishingState
from tasks.errors import PublishingError
from tasks.kafka.topics import PARTITION, UNIQUE_COUNTS
from tasks.output.published_log import PublishedLog

MEANING = """\
Publishing goes on with a topic {topic} of {count} partitions, in partition {partition} alone.

  - Every reader of it must read that one: who reads only others sees nothing.
  - This is remembered in Redis for just so many partitions.
"""


class Command(ReportCommand):
    """An operator's way out where the topic has got partitions, which Kafka can't take away."""

    help = "Accept that the topic unique-counts has more than one partition."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--yes`, beside `--json`."""
        super().add_arguments(parser)
        add_yes(parser)

    def report(self, **options: Any) -> tuple[Any, str]:
        """Refuses where other partitions hold records: readers would take these for minutes."""
        topic = prefixed(UNIQUE_COUNTS)
        try:
            with PublishedLog() as log:
                count = log.count_partitions(topic)
                others = [each for each in range(count) if each != PARTITION and log.is_used(each)]
        except PublishingError as error:
            raise CommandError(str(error)) from error
        if others:
            raise CommandError(
                f"{topic} has records in partition {others[0]}, too: look whether they are Tally's,"
                " and make the topic anew (docs/operations.md, When publishing stops)"
            )
        if not options["yes"]:
            meaning = MEANING.format(topic=topic, count=count, partition=PARTITION)
            confirm(self.stderr, meaning, str(count))
        PublishingState(connect()).keep_partitions(count)
        return {"partitions": count}, f"{topic} may have {count} partitions"
