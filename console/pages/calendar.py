"""The years, months and days for which there is history, without looking at every row of it."""

from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.db.models import QuerySet
from typing_extensions import override

from counter.models import PublishedMinute

LONGEST = {"year": timedelta(days=366), "month": timedelta(days=31), "day": timedelta(days=1)}


class CalendarQuerySet(QuerySet[PublishedMinute]):
    """For the admin's date hierarchy. Django's own `datetimes` takes seconds for a year of minutes."""

    @override
    def datetimes(self, field_name: str, kind: str, order: str = "ASC", tzinfo: tzinfo | None = None) -> Any:
        """The first instants of each year, month or day, in ascending order: a jump along the index each."""
        moments = []
        rows = self.order_by(field_name).values_list(field_name, flat=True)
        found = rows.first()
        while found:
            moments.append(_truncate(found, kind))
            # Longer than this one is still in the next, which is truncated in turn.
            found = rows.filter(
                **{f"{field_name}__gte": _truncate(moments[-1] + LONGEST[kind], kind)}
            ).first()
        return moments


def _truncate(moment: datetime, kind: str) -> datetime:
    month = 1 if kind == "year" else moment.month
    day = moment.day if kind == "day" else 1
    return datetime(moment.year, month, day, tzinfo=moment.tzinfo)
