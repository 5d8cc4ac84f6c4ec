"""The log of actions: who had minutes flushed, and who changed accounts and tokens."""

from django.contrib.admin import display
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest

from console.read_only import ReadOnlyAdmin
from console.times import clock
from counter.models import PendingMinute


class ActionAdmin(ReadOnlyAdmin):
    """Django writes it."""

    title = "Who did what"
    list_display = ("moment", "user", "subject", "what")
    list_display_links = None
    list_filter = ("user",)
    list_select_related = ("user", "content_type")
    ordering = ("-action_time", "-pk")
    search_fields = ("object_repr", "user__username")

    @display(description="when", ordering="action_time")
    def moment(self, entry: LogEntry) -> str:
        """In UTC; without the date where that is today."""
        return clock(entry.action_time)

    @display(description="subject", ordering="object_repr")
    def subject(self, entry: LogEntry) -> str:
        """What was acted on: its kind and its name."""
        return f"{entry.content_type.name if entry.content_type else 'thing'} {entry.object_repr}"

    @display(description="action")
    def what(self, entry: LogEntry) -> str:
        """In a sentence."""
        return entry.get_change_message()


def log_action(request: HttpRequest, minute: str, subject: str, what: str) -> None:
    """Note what an operator did with pending minutes, as Django notes what it does itself."""
    LogEntry.objects.create(
        user_id=request.user.pk or 0,
        content_type=ContentType.objects.get_for_model(PendingMinute, for_concrete_model=False),
        object_id=minute,
        object_repr=subject,
        action_flag=CHANGE,
        change_message=what,
    )
