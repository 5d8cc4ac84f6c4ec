"""Which addresses a callback may go to: public ones, and those of the hosts that an operator names.

An endpoint comes from whoever may call Tally, and Tally may stand where more can be reached than from there.
"""

import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], list[str]]

_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""IPv6 that a gateway turns into the IPv4 address of its last 32 bits."""


_METADATA = {IPv4Address("168.63.129.16")}
"""Public by its number, but every Azure machine has its host there; other clouds use private addresses."""


class Refused(Exception):
    """Tally must not call this host."""


class Unresolved(Exception):
    """The name has no address at the moment."""


def resolve(host: str, port: int) -> list[str]:
    """Every address of the host, by the system's resolver, which also reads `0x7f.1`. Raises Unresolved."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"{host} has no address: {error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def checked_address(host: str, port: int, resolver: Resolver = resolve) -> str:
    """The address to connect to. Raises Unresolved, or Refused unless all of the host's may be called.

    The caller must connect to just this address: the name may mean another one the next time.
    """
    addresses = resolver(host, port)
    if host.lower() not in settings.CALLBACK_ALLOWED_HOSTS:
        for text in addresses:
            if not is_public(ip_address(text)):
                raise Refused(f"{host} is {text}, which is not public")
    return addresses[0]


def is_public(address: Address) -> bool:
    """Whether the address, and every one that is packed into it, belongs to the public internet."""
    return all(
        each.is_global and not each.is_multicast and each not in _METADATA for each in _unpacked(address)
    )


def _unpacked(address: Address) -> Iterator[Address]:
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if any(address in network for network in _TRANSLATED):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
