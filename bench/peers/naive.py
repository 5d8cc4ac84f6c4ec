"""What most people would write: Django REST framework, and one INCR a call. Neither unique, nor safe."""

import os
from datetime import UTC, datetime

import django
import redis
from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.configure(
    SECRET_KEY="bench-" + "0123456789" * 5,
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": []},
)
django.setup()

from django.urls import path  # noqa: E402  (these need the settings)
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402

client = redis.Redis.from_url(os.environ["REDIS_URL"])


@api_view(["GET"])
def accept(request: Request) -> Response:
    """Count one call."""
    client.incr(f"{datetime.now(UTC):%Y%m%d%H%M}_{int(request.query_params['id'])}")
    return Response("ok")


urlpatterns = [path("api/verve/accept", accept)]
application = get_wsgi_application()
