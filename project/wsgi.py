"""Django alone, for a WSGI server: the same answers without the hot path."""

import os

import django
from django.core.wsgi import get_wsgi_application

from project.telemetry import traces

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()
traces.set_up("web")  # before Django's handler is made, for it adds a middleware
application = get_wsgi_application()

from project.checking import check_settings  # noqa: E402  (needs Django's settings)

check_settings()
