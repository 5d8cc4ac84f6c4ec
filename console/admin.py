"""What the console registers with the admin."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from console.actions import ActionAdmin
from console.history import PublishedMinuteAdmin
from console.panels import beat, events, flushes, kafka, redis, workers  # noqa: F401  (each adds its panel)
from console.pending import PendingMinuteAdmin
from console.tokens import ApiTokenAdmin
from counter.models import ApiToken, PendingMinute, PublishedMinute

admin.site.register(PendingMinute, PendingMinuteAdmin)
admin.site.register(PublishedMinute, PublishedMinuteAdmin)
admin.site.register(ApiToken, ApiTokenAdmin)
admin.site.register(LogEntry, ActionAdmin)
