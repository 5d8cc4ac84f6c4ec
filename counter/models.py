"""What Tally remembers of published minutes, for people, and who may see what.

The topic is the truth; this is its history.
"""

from django.db import models
from typing_extensions import override


class PublishedMinute(models.Model):
    """One minute that is in Kafka. May be missing or late, and can be made again from the topic."""

    minute = models.CharField(primary_key=True, max_length=12, help_text="yyyyMMddHHmm, in UTC")
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
        ordering = ("-minute",)
        default_permissions = ("view",)

    @override
    def __str__(self) -> str:
        return self.minute


class PendingMinute(models.Model):  # noqa: DJ008  (there are no instances)
    """A minute that waits in Redis: no table, only a name for permissions and for the admin log."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = (("flush_pendingminute", "Can have closed minutes published now"),)
