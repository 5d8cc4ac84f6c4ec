"""What the console registers with the admin."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from console.accounts.actions import ActionAdmin
from console.accounts.tokens import ApiTokenAdmin
from console.pages.history import PublishedMinuteAdmin
from console.pages.pending import PendingMinuteAdmin
from console.panels import beat, events, flushes, kafka, redis, workers  # noqa: F401  (each adds its panel)
from counter.models import ApiToken, PendingMinute, PublishedMinute

admin.site.register(PendingMinute, PendingMinuteAdmin)
admin.site.register(PublishedMinute, PublishedMinuteAdmin)
admin.site.register(ApiToken, ApiTokenAdmin)
admin.site.register(LogEntry, ActionAdmin)
