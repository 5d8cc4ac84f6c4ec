"""Which addresses are public, by IANA's registries of special-purpose addresses and not by Python's."""

from ipaddress import ip_address, ip_network

import pytest

from tasks.callbacks.addresses import is_public

# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry: every row, what
# is deprecated too, and what is reachable but is no host's, as multicast, NAT64, anycast and AS112.
IANA = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24
192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24
198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 224.0.0.0/4 ::1/128
::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32
2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28
2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7
fe80::/10 ::/96 ::ffff:0:0:0/96 fec0::/10 ff00::/8 4000::/3 8000::/1
"""

PUBLIC = """
1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.0.1.0
192.0.3.0 198.17.255.255 198.20.0.0 223.255.255.255 2001:200:: 2001:4860:4860::8888
2606:4700:4700::1111 2003:: 2a00:: 3ffe:ffff:: 2000::1
"""


@pytest.mark.parametrize("network", IANA.split())
def test_no_special_purpose_network_is_public(network: str) -> None:
    first, last = ip_network(network)[0], ip_network(network)[-1]
    assert not is_public(first)
    assert not is_public(last)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_what_is_beside_them_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_the_host_of_a_cloud_machine_is_not() -> None:
    assert not is_public(ip_address("168.63.129.16"))
