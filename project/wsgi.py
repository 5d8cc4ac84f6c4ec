"""Django alone, for a WSGI server: the same answers without the hot path."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_wsgi_application()

from project.checking import check_settings  # noqa: E402  (needs Django's settings)

check_settings()
