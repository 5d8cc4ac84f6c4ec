"""Confirmation: a command that can't be taken back asks first."""

from django.core.management.base import CommandError, CommandParser, OutputWrapper


def add_yes(parser: CommandParser) -> None:
    """`--yes`, for scripts."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def confirm(stderr: OutputWrapper, meaning: str, word: str) -> None:
    """Say what the command means, and go on when the operator writes `word`.

    Raises CommandError when they write anything else, and where there is nobody to ask.
    """
    stderr.write(meaning)
    try:
        answer = input(f"Write {word} to go on: ")
    except EOFError:
        raise CommandError("nothing was changed: there is nobody to ask. In a script, add --yes") from None
    if answer != word:
        raise CommandError("nothing was changed")
