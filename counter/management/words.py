"""Words that commands say."""

from django.template.defaultfilters import pluralize


def minutes_of(count: int) -> str:
    """`1 minute`, `2 minutes`."""
    return f"{count:,} minute{pluralize(count)}"
