"""What Tally remembers of published minutes, for people, and who may see what.

The topic is the truth; this is its history.
"""

from django.db import models
from django.db.models.functions import Right
from typing_extensions import override

from counter.counters import DEFAULT, counters, is_name


class PublishedMinute(models.Model):
    """One minute of a counter that is in Kafka. May be missing or late, and can be made from the topic."""

    # The version before, which knows the default counter alone, reads and writes these columns, too.
    key = models.CharField(primary_key=True, max_length=80, db_column="minute", help_text="of the record")
    counter = models.CharField(
        max_length=63, default=DEFAULT, db_default=DEFAULT, blank=True, help_text="empty: the default one"
    )
    minute = models.GeneratedField(
        expression=Right("key", 12),
        output_field=models.CharField(max_length=12),
        db_persist=True,
        db_column="minute_of_key",
    )
    start = models.DateTimeField(db_index=True, help_text="the same as a time, to search by")
    unique = models.PositiveBigIntegerField(help_text="distinct ids")
    total = models.PositiveBigIntegerField(help_text="accepted calls")
    published_at = models.DateTimeField(db_index=True)
    lag_seconds = models.FloatField(help_text="from the minute's end to its record being made")
    partition = models.PositiveIntegerField()
    offset = models.PositiveBigIntegerField()
    attempts = models.PositiveIntegerField(
        help_text="transactions begun for it; 0 where only the topic is left to tell, which can't"
    )

    class Meta:
        ordering = ("-minute", "counter")
        default_permissions = ("view",)
        indexes = (models.Index(fields=["counter", "-minute"], name="minutes_of_counter"),)

    @override
    def __str__(self) -> str:
        return self.key


class PendingMinute(models.Model):  # noqa: DJ008  (there are no instances)
    """A minute that waits in Redis: no table, only a name for permissions and for the admin log."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = (("flush_pendingminute", "Can have closed minutes published now"),)


def is_known(counter: str) -> bool:
    """Whether there is such a counter; also where COUNTERS names it no more, while it has a history."""
    return counter in counters() or bool(
        is_name(counter) and PublishedMinute.objects.filter(counter=counter).exists()
    )
