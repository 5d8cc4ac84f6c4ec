#!/usr/bin/env python
"""Django's command line, with Tally's own commands."""

import os
import sys


def main() -> None:
    """Run one command. What it writes, the database for one, is for this user alone."""
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415  (after the settings)

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
