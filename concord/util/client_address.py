"""The address of whoever sent a request, through proxies that are trusted.

A proxy appends the address that it was asked from to `X-Forwarded-For`; what stands before anybody may have
made up. So the header is read from its right end, and only as far as the addresses are trusted proxies.
`Forwarded` (RFC 7239) is not read: two headers that may contradict each other are worse than one.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Self

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HEADER: Final = b"x-forwarded-for"

NOWHERE: Final = "-"
"""Of a connection without an address, such as a Unix socket's."""

MOST_HOPS: Final = 32
"""Addresses of the header that are looked at, from the right."""

LONGEST: Final = 64
"""Characters of an address with its port; the rest of a longer text is not looked at."""

MOST_KEPT: Final = 4096
"""Addresses that are remembered once they were read, which takes some ten microseconds."""

_NETWORK_BITS: Final = 64
"""Of an IPv6 address: what one customer gets; the rest it may change at will (RFC 6177)."""


class TrustedProxies:
    """Proxies whose header is believed.

    Args:
        networks: Their addresses.
    """

    def __init__(self, networks: tuple[Network, ...] = ()) -> None:
        self.networks = networks
        self._look_up = lru_cache(MOST_KEPT)(self._read)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads addresses and networks that are separated by commas or spaces.

        Raises:
            ValueError: One is neither.
        """
        networks = []
        for part in text.replace(",", " ").split():
            try:
                networks.append(ipaddress.ip_network(part, strict=False))
            except ValueError:
                raise ValueError(
                    f"{part[:60]!r} is no address; say addresses and networks, such as 10.0.0.7, 10.42.0.0/16"
                ) from None
        return cls(tuple(networks))

    def client(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The right-most address that is no trusted proxy.

        What is no address ends the search: the proxy that wrote it is taken for the client.

        Args:
            peer: The other end of the connection; None if it has no address.
            headers: The request's, in their order.
        """
        if not peer:
            return NOWHERE
        if not self.networks:
            return peer
        found, is_trusted = self._look_up(peer)
        if not is_trusted:
            return found or peer
        line = b",".join(value for name, value in headers if name == HEADER)
        for hop in reversed(line.rsplit(b",", MOST_HOPS)[-MOST_HOPS:]):
            address, is_trusted = self._look_up(hop[:LONGEST].decode("latin-1").strip())
            found = address or found
            if not is_trusted:
                break
        return found or peer

    def _read(self, text: str) -> tuple[str | None, bool]:
        """An address as it is counted, and whether it is a trusted proxy's; None where it is none."""
        address = _parse(text)
        if address is None:
            return None, False
        return str(address), any(address in network for network in self.networks)


@lru_cache(MOST_KEPT)
def caller_key(address: str) -> str:
    """What limits count an address by: itself, or the network of an IPv6 one."""
    if ":" not in address:
        return address
    found = _parse(address)
    if found is None or found.version == 4:
        return address if found is None else str(found)
    bits = int(found) >> (128 - _NETWORK_BITS) << (128 - _NETWORK_BITS)
    return f"{ipaddress.IPv6Address(bits)}/{_NETWORK_BITS}"


def _parse(text: str) -> IpAddress | None:
    """An address, with a port or without; an IPv4 address within an IPv6 one counts as itself."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address
