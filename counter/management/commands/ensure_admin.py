"""`tally ensure_admin`."""

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from typing_extensions import override

NAME = "admin"


class Command(BaseCommand):
    """Create a superuser with a generated password, unless there is one."""

    help = "Create a superuser with a generated password, unless there is one."

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Says the password, this once: only its hash is kept."""
        users = get_user_model()._default_manager
        if users.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        user, _ = users.get_or_create(username=NAME)
        user.is_staff = user.is_superuser = user.is_active = True
        user.set_password(password)
        user.save()
        self.stdout.write(f"console login: {NAME}, password {password} (shown this once)")
        self.stdout.write(f"another password: tally changepassword {NAME}")
