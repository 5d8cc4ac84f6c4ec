"""The Django apps of the console: its files, and Django's admin with the console as its site."""

from django.apps import AppConfig
from django.contrib.admin import apps


class ConsoleConfig(AppConfig):
    """Templates, static files and admin classes. Before the admin, whose templates it extends."""

    name = "console"


class AdminConfig(apps.AdminConfig):
    """Django's admin, opening with the pending minutes."""

    default_site = "console.site.Console"
