"""`tally set_buckets`."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from typing_extensions import override

from counter.management.report import ReportCommand
from counter.redis.clients import connect
from counter.store.rebucketing import EventsAreCounted, spread_over


class Command(ReportCommand):
    """What has to be run once where there is more than one bucket, and whenever their number changes."""

    help = (
        "Spread ids over REDIS_BUCKETS buckets from now on. Processes with another number refuse their calls"
        " then; what waits in their buckets is published. May be run again at any time."
    )

    @override
    def report(self, **options: Any) -> tuple[Any, str]:
        """Whether anything had to be changed."""
        count = settings.REDIS_BUCKETS
        try:
            changed = spread_over(connect(), count)
        except EventsAreCounted as error:
            raise CommandError(str(error)) from error
        where = f"{count} bucket{'' if count == 1 else 's'}"
        return {"buckets": count, "changed": changed}, f"ids are{' now' if changed else ''} in {where}"
