"""RequestLog: the id of every request that Django answers, and a line for those that people want to see."""

import re
from contextlib import suppress

import structlog
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware
from typing_extensions import override

from counter.accepting import accept_call
from counter.accepting.batches import batch_call
from counter.time_limit import AWAY

HEADER = "X-Request-ID"
_VALID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}").fullmatch

MACHINES = frozenset({accept_call.PATH, batch_call.PATH, "/healthz", "/readyz", "/metrics"})
"""Called all the time: what they refuse is counted, and logged by the second."""

FAILURE = 400


class RequestLog(RequestMiddleware):
    """A caller's id is taken over where it is well-formed, goes into every line and task, and back.

    There is a line for what changes something or fails; what only reads leaves none, for the console reads
    every other second.
    """

    @override
    def prepare(self, request: HttpRequest) -> None:
        if not _VALID(request.META.get("HTTP_X_REQUEST_ID", "")):
            request.META.pop("HTTP_X_REQUEST_ID", None)
        super().prepare(request)

    @override
    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        response[HEADER] = structlog.contextvars.get_contextvars()["request_id"]
        reads = request.method in ("GET", "HEAD") and response.status_code < FAILURE
        if request.path in MACHINES or reads:
            structlog.contextvars.clear_contextvars()
        else:
            super().handle_response(request, response)

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Who it is, as far as the database tells; machines are nobody, and need not wait for it."""
        if request.path not in MACHINES:
            with suppress(*AWAY):
                RequestMiddleware.bind_user_id(request)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Without the query: it may hold anything."""
        return f"{request.method} {request.path}"
