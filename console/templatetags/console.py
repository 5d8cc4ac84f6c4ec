"""Numbers and times as people read them."""

from django import template

from counter.minute import SECONDS

register = template.Library()


@register.filter
def duration(seconds: float) -> str:
    """`42 s`, `3 min 5 s`, `2 h 10 min`: two units at most. Below zero counts as zero."""
    minutes, rest = divmod(max(0, int(seconds)), SECONDS)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
