"""Every path under `/api/v1/`."""

from django.urls import path, re_path, register_converter

from counter.api.problems import NowhereView
from counter.api.views.accept import BatchView
from counter.api.views.minutes import (
    MinuteConverter,
    PendingMinutesView,
    PendingMinuteView,
    PublishedMinutesView,
    PublishedMinuteView,
)

register_converter(MinuteConverter, "minute")

urlpatterns = [
    path("accept/", BatchView.as_view(), name="accept-batch"),
    path("minutes/", PendingMinutesView.as_view(), name="minutes"),
    path("minutes/<minute:minute>/", PendingMinuteView.as_view(), name="minute"),
    path("published/", PublishedMinutesView.as_view(), name="published-minutes"),
    path("published/<minute:minute>/", PublishedMinuteView.as_view(), name="published-minute"),
    re_path("", NowhereView.as_view()),
]
