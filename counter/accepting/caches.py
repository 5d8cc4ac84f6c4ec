"""What caches between a caller and Tally are told: an answer is of its moment, and never a later one's."""

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

HEADER, NO_STORE = "Cache-Control", "no-store"


class NoStore(MiddlewareMixin):
    """Forbids keeping what Django answers, refusals too, unless the view has said something itself."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """After all others."""
        response.headers.setdefault(HEADER, NO_STORE)
        return response
