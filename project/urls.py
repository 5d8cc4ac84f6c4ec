"""Every path that Django answers."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from counter.accepting import accept_call
from counter.api.views.accept import AcceptView
from counter.api.views.health import AliveView, MetricsView, ReadyView

handler500 = "counter.api.problems.server_error"

urlpatterns = [
    path(accept_call.PATH.lstrip("/"), AcceptView.as_view(), name="accept"),
    path("api/v1/", include("counter.api.urls")),
    path("healthz", AliveView.as_view(), name="healthz"),
    path("readyz", ReadyView.as_view(), name="readyz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(template_name="console/docs.html"), name="docs"),
    path("admin/", admin.site.urls),
]
