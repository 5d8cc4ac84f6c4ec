"""`tally last_published`."""

import json
from typing import Any

from django.core.management.base import CommandError
from typing_extensions import override

from counter.management.report import ReportCommand
from tasks.errors import PublishingError
from tasks.output.published_log import PublishedLog


class Command(ReportCommand):
    """What the topic says."""

    help = "Show the last published minute, read from Kafka."

    @override
    def report(self, **options: Any) -> tuple[Any, str]:
        """The last committed record, and where it is."""
        try:
            with PublishedLog() as log:
                last = log.last()
        except PublishingError as error:
            raise CommandError(str(error)) from error
        if not last:
            return None, "nothing is published yet"
        facts = json.loads(last.record.value) | {"offset": last.offset, "tally": last.record.tally}
        return facts, "\n".join(f"{name:<13} {value}" for name, value in facts.items())
