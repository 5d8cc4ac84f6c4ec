"""Log-ins, beside everything else: in a thread of their own, and no more at a time than people make."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv6Address, ip_address

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase

MAX_WAITING = 8
"""More are refused: each takes a second of the processor's time, on purpose."""

IPV6_NETWORK = 64
"""Bits. One caller has all addresses of such a network."""

_thread = ThreadPoolExecutor(1, "log-ins")


class Door:
    """Belongs to one event loop, or to one thread after the other."""

    def __init__(self) -> None:
        self._waiting = 0

    async def answer(self, view: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        """What the view says, once it is its turn; 503 at once where too many wait."""
        if self._waiting >= MAX_WAITING:
            text = "Too many log in at this moment. Try again in a few seconds."
            return HttpResponse(text, status=503, content_type="text/plain", headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            return await sync_to_async(_in_thread, thread_sensitive=False, executor=_thread)(view)
        finally:
            self._waiting -= 1


def _in_thread(view: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    close_old_connections()
    try:
        return view()
    finally:
        close_old_connections()


def client(request: HttpRequest) -> str:
    """Who asks, as django-axes counts failures: an IPv4 address, or a network of IPv6.

    Behind a proxy that is ours, the address is the last one that it has written down.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.BEHIND_TLS else ""
    text = forwarded.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")
    try:
        address = ip_address(text)
    except ValueError:
        return "0.0.0.0"  # noqa: S104  (all who can't be told apart)
    if isinstance(address, IPv6Address):
        bits = 128 - IPV6_NETWORK
        return str(IPv6Address(int(address) >> bits << bits))
    return str(address)
