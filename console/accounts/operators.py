"""Operators: who may have Tally do something."""

from django.http import HttpRequest


def is_operator(request: HttpRequest) -> bool:
    """Whether the user may have minutes published, counted again, and callbacks sent."""
    return request.user.has_perm("counter.flush_pendingminute")
