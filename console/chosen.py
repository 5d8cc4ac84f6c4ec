"""The counter that somebody looks at, chosen once for all pages, and kept in their session."""

from django.http import HttpRequest

from counter.counters import DEFAULT
from counter.models import is_known

KEY = "counter"


def chosen(request: HttpRequest) -> str:
    """The one that the query names, if there is such a one; else the one that was chosen before."""
    named = request.GET.get(KEY)
    if named is not None and is_known(named):
        request.session[KEY] = named
    kept = request.session.get(KEY, DEFAULT)
    return kept if is_known(kept) else DEFAULT
