"""What Tally remembers of published minutes, for people, and who may see what.

The topic is the truth; this is its history.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.db.models.functions import Right
from django.utils import timezone
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


NOTE_EVERY = timedelta(minutes=1)


class ApiTokens(models.Manager["ApiToken"]):
    """All tokens."""

    def issue(self, user: User, name: str, scope: str, expires_at: datetime | None = None) -> str:
        """A new token, which nobody can be told again."""
        token = ApiToken(user=user, name=name, scope=scope, expires_at=expires_at)
        token.make()
        token.save()
        return token.text

    def valid(self, scope: str) -> "models.QuerySet[ApiToken]":
        """Those that have not ended, of users who may still log in."""
        is_on = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return self.filter(is_on, scope=scope, user__is_active=True)

    def note_use(self, digests: Iterable[str]) -> None:
        """They were used just now, to the minute: not every use is worth a write."""
        now = timezone.now()
        is_old = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTE_EVERY)
        self.filter(is_old, digest__in=digests).update(last_used_at=now)


class ApiToken(models.Model):
    """A token for programs, known by its hash alone. It ends, is revoked, or its user goes."""

    class Scope(models.TextChoices):
        """What it is good for."""

        READ = "read", "read: what the API says of minutes"
        ACCEPT = "accept", "accept: calls, where ACCEPT_TOKEN is set"

    digest = models.CharField(max_length=64, unique=True, editable=False)
    name = models.CharField(max_length=100, help_text="who or what uses it")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.READ)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, help_text="it ends where this account does"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="UTC; empty: never")
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ApiTokens()

    text = ""
    """What its user sends. Only the object that has made it knows it."""

    class Meta:
        ordering = ("-created_at",)
        default_permissions = ("add", "view", "delete")
        verbose_name = "API token"

    @override
    def __str__(self) -> str:
        return self.name

    @property
    def was_used_lately(self) -> bool:
        """So that another use is not worth a write."""
        return bool(self.last_used_at and timezone.now() - self.last_used_at < NOTE_EVERY)

    def make(self) -> None:
        """Draw its text."""
        self.text = f"tally_{secrets.token_hex(20)}"
        self.digest = digest_of(self.text)


def digest_of(token: str) -> str:
    """What is kept of it. It is random and long, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_known(counter: str) -> bool:
    """Whether there is such a counter; also where COUNTERS names it no more, while it has a history."""
    return counter in counters() or bool(
        is_name(counter) and PublishedMinute.objects.filter(counter=counter).exists()
    )
