"""`tally create_token`."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from typing_extensions import override

from counter.models import ApiToken

MAX_DAYS = 36_500


class Command(BaseCommand):
    """Its output is for scripts, too: the token is the third word."""

    help = "Make an API token for a user, and print it: Tally keeps only its hash."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="who or what uses it")
        parser.add_argument(
            "--scope", choices=ApiToken.Scope.values, default=ApiToken.Scope.READ, help="read unless told"
        )
        parser.add_argument("--days", type=int, help="after which it ends; never unless told")

    @override
    def handle(
        self, *args: Any, username: str, name: str, scope: str, days: int | None, **options: Any
    ) -> None:
        user = User.objects.filter(username=username).first()
        if not user:
            raise CommandError(f"there is no user {username}")
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days is a number from 1 to {MAX_DAYS}")
        end = timezone.now() + timedelta(days=days) if days else None
        token = ApiToken.objects.issue(user, name, scope, end)
        self.stdout.write(f"Generated token {token} for user {username}")
