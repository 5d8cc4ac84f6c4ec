"""Django's ASGI application, alone; project/web.py puts together what stands in front of it."""

import os
from typing import cast

import django
from django.core.asgi import get_asgi_application

from counter.accepting.ascii_query import AsciiQuery
from counter.accepting.asgi import App

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()
application = AsciiQuery(cast("App", get_asgi_application()))
