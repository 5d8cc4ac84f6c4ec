"""Which addresses a callback may go to: public ones, and those of the hosts that an operator names.

An endpoint comes from whoever may call Tally, and Tally may stand where more can be reached than from there.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], list[str]]

DEFAULT_PORTS = (80, 443)

GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All of IPv6 that is given out as global unicast; the rest is something else, or may become it."""

# What IANA's registries of special-purpose addresses keep from that, and from IPv4. The table is ours, for
# Python's own differs from one release to the next.
RESERVED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
RESERVED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # Teredo and ORCHID among them
            "2001:db8::/32",
            "2002::/16",  # 6to4, which has an IPv4 address packed into it
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)

METADATA = IPv4Address("168.63.129.16")
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
    if not _is_allowed(host, port):
        for text in addresses:
            if not is_public(ip_address(text)):
                raise Refused(f"{host} is {text}, which is not public")
    return addresses[0]


def is_public(address: Address) -> bool:
    """Whether the address is global unicast, and stands for no other one.

    A NAT64 of an operator's own, with a prefix that is global unicast, can't be told from other addresses.
    """
    if isinstance(address, IPv4Address):
        return address != METADATA and not any(address in network for network in RESERVED_IPV4)
    return address in GLOBAL_IPV6 and not any(address in network for network in RESERVED_IPV6)


def _is_allowed(host: str, port: int) -> bool:
    """Whether CALLBACK_ALLOWED_HOSTS has it: on one port, or alone on that of its scheme."""
    allowed, host = settings.CALLBACK_ALLOWED_HOSTS, host.lower()
    return f"{host}:{port}" in allowed or (host in allowed and port in DEFAULT_PORTS)
