"""`tally drf_create_token`: the name that `create_token` had, for the scripts that know it."""

from counter.management.commands.create_token import Command

__all__ = ("Command",)
