"""What the console registers with the admin."""

from django.contrib import admin

from counter.console.history import PublishedMinuteAdmin
from counter.console.pending import PendingMinuteAdmin
from counter.models import PendingMinute, PublishedMinute

admin.site.register(PendingMinute, PendingMinuteAdmin)
admin.site.register(PublishedMinute, PublishedMinuteAdmin)
