"""Which addresses may be connected to: the public internet, and what a setting adds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from infra.settings import BadSetting

Network = IPv4Network | IPv6Network

NOT_PUBLIC_V4 = tuple(
    IPv4Network(one)
    for one in (
        "0.0.0.0/8",  # this network: Linux takes 0.0.0.0 for the machine itself
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is a cloud's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a public address that one cloud uses for its own services inside every machine
        "169.254.0.0/16",  # link-local, the usual place of metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a cloud's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
PUBLIC_V6 = IPv6Network("2000::/3")
"""All that is given out. Loopback, link-local, private, multicast, IPv4-mapped and NAT64 forms lie outside."""
NOT_PUBLIC_V6 = tuple(
    IPv6Network(one)
    for one in (
        "2001::/23",  # protocol assignments; Teredo carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 carries an IPv4 address
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be connected to. `extra` networks may be private ones: an object store in the same cluster, say."""

    extra: tuple[Network, ...] = ()

    @classmethod
    def with_networks(cls, networks: Iterable[str]) -> Reach:
        """From `10.1.0.0/16` and the like. Raises `BadSetting`."""
        try:
            return cls(tuple(ip_network(one) for one in networks))
        except ValueError:
            raise BadSetting("fetch.networks: has an entry that is no network, like 10.1.0.0/16") from None

    def permits(self, address: str) -> bool:
        """Whether this address, as a resolver tells it, may be connected to."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if any(found in network for network in self.extra):
            return True
        if found.version == 4:
            return not any(found in network for network in NOT_PUBLIC_V4)
        return found in PUBLIC_V6 and not any(found in network for network in NOT_PUBLIC_V6)
