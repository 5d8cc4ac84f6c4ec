"""System checks of secrets: no process runs with one that can be guessed, or read by others."""

import base64
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

MIN_LENGTH, MIN_DIFFERENT = 50, 5
"""Characters, as Django's own check has it, which is made with `--deploy` alone and only warns."""

SIGNING_PREFIX, SIGNING_BYTES = "whsec_", range(24, 65)

OTHERS = stat.S_IRWXG | stat.S_IRWXO


@register(Tags.security)
def check_secret_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E031: SECRET_KEY is missing, or can be guessed: whoever has it signs in as anybody."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if len(key) >= MIN_LENGTH and len(set(key)) >= MIN_DIFFERENT:
        return []
    return [
        Error(
            "SECRET_KEY is not set." if not key else "SECRET_KEY can be guessed.",
            hint=f"At least {MIN_LENGTH} random characters, as openssl rand -hex 32 makes them.",
            id="tally.E031",
        )
    ]


@register(Tags.security)
def check_signing_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E033: CALLBACK_SIGNING_KEY is set, and is no key of Standard Webhooks."""
    if not settings.CALLBACK_SIGNING_KEY or _is_signing_key(settings.CALLBACK_SIGNING_KEY):
        return []
    return [
        Error(
            "CALLBACK_SIGNING_KEY is no key of Standard Webhooks.",
            hint="whsec_ and 24 to 64 random bytes in base64: echo whsec_$(openssl rand -base64 32)",
            id="tally.E033",
        )
    ]


def _is_signing_key(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(SIGNING_PREFIX), validate=True)
    except ValueError:
        return False
    return text.startswith(SIGNING_PREFIX) and len(key) in SIGNING_BYTES


@register(Tags.security)
def check_files(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E032: others on this machine may read what is secret."""
    return [
        Error(
            f"{path} can be read by others.",
            hint=f"chmod {'700' if path.is_dir() else '600'} {path}, and think of what is in it as known.",
            id="tally.E032",
        )
        for path in _secret_files()
        if path.exists() and path.stat().st_mode & OTHERS
    ]


def _secret_files() -> Iterator[Path]:
    """The key that `make run` made, and accounts, sessions and tokens where a file has them."""
    yield settings.TALLY_HOME / "secret_key"
    for database in settings.DATABASES.values():
        if database["ENGINE"] == "project.sqlite":
            yield Path(database["NAME"])
