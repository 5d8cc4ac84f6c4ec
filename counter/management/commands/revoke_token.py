"""`tally revoke_token`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.authtoken.models import Token
from typing_extensions import override


class Command(BaseCommand):
    """The counterpart of `drf_create_token`."""

    help = "Revoke the token of a user, who can read no longer with it."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    @override
    def handle(self, *args: Any, username: str, **options: Any) -> None:
        deleted, _ = Token.objects.filter(user__username=username).delete()
        if not deleted:
            raise CommandError(f"{username} has no token")
        self.stdout.write(f"the token of {username} is revoked")
