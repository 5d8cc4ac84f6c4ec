"""Limits how long a request waits for the database."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from counter.time_limit import within

SECONDS = 0.8
"""A page is there, or says that it can't be, within two seconds; some of them ask Redis as well."""

Sync = Callable[[HttpRequest], HttpResponse]
Async = Callable[[HttpRequest], Awaitable[HttpResponse]]


@sync_and_async_middleware
def limit(get_response: Sync | Async) -> Sync | Async:
    """The first of all middleware: sessions and tokens are in the database, too."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponse:
            with within(SECONDS):
                return await cast("Async", get_response)(request)

        return later

    def now(request: HttpRequest) -> HttpResponse:
        with within(SECONDS):
            return cast("Sync", get_response)(request)

    return now
