"""What every process does first: refuse to run with wrong settings."""

import sys

from django.core.management.base import BaseCommand, SystemCheckError


def check_settings() -> None:
    """Exit with a line and a hint for each wrong setting, where `manage.py` would."""
    try:
        BaseCommand().check()
    except SystemCheckError as error:
        sys.exit(str(error))
