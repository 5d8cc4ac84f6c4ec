"""`tally revoke_token`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from counter.models import ApiToken


class Command(BaseCommand):
    """The counterpart of `create_token`."""

    help = "Revoke a user's API tokens, or those with one name."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", help="of the token; all of them unless told")

    @override
    def handle(self, *args: Any, username: str, name: str | None, **options: Any) -> None:
        tokens = ApiToken.objects.filter(user__username=username)
        if name is not None:
            tokens = tokens.filter(name=name)
        deleted, _ = tokens.delete()
        if not deleted:
            raise CommandError(f"{username} has no such token" if name else f"{username} has no token")
        self.stdout.write(f"{'1 token' if deleted == 1 else f'{deleted} tokens'} of {username} revoked")
