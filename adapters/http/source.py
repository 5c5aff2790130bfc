"""Where a request comes from: its address, and a mark that says nothing about whose that is."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Any, Final

from adapters.crypto.derive import derived

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_ONE_NETWORK: Final = 64
"""Bits of an IPv6 address that name a connection; whoever has one has all addresses in it."""
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """``mark`` is 32 hex digits, the same for one connection to the internet, and empty if that is
    not known; then ``address`` is None. ``hidden`` says that somebody we do not trust claims to
    have passed the request on: then the address is theirs, and whose it was nobody can tell."""

    mark: str
    address: Address | None
    hidden: bool = False

    def is_in(self, networks: Sequence[Network]) -> bool:
        return (
            self.address is not None
            and not self.hidden
            and any(self.address in each for each in networks)
        )


class Sources:
    """``proxies`` are the networks of the web servers in front of the gateway, each of which adds
    the address that it was called from to ``X-Forwarded-For``. What stands there before the last
    address that is not one of theirs anybody can make up."""

    def __init__(self, key: bytes, proxies: Sequence[Network]) -> None:
        self._key = derived(key, "source of a request")
        self._proxies = tuple(proxies)
        self.of = lru_cache(_REMEMBERED)(self._of)
        """``of(peer, forwarded)``: who is connected, and whom they say they pass on."""

    def _of(self, peer: str, forwarded: str) -> Source:
        address = _address(peer)
        hidden = bool(forwarded) and not self._is_ours(address)
        hops = forwarded.split(",") if forwarded else []
        while hops and self._is_ours(address):
            address = _address(hops.pop())
        if address is None:
            return UNKNOWN
        digest = hmac.digest(self._key, _network(address).encode(), "sha256")
        return Source(digest.hex()[:32], address, hidden)

    def _is_ours(self, address: Address | None) -> bool:
        return address is not None and any(address in each for each in self._proxies)


UNKNOWN: Final = Source("", None)


def source_of(scope: Any) -> Source:
    """Where a request that has passed the edge comes from; ``scope`` is of any kind."""
    found = scope["state"].get("source")
    return found if isinstance(found, Source) else UNKNOWN


def _address(text: str) -> Address | None:
    """As proxies write it, some with a port; None for what is no address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        known = ip_address(text)
    except ValueError:
        return None
    if isinstance(known, IPv6Address) and known.ipv4_mapped is not None:
        return known.ipv4_mapped
    return known


def _network(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _ONE_NETWORK), strict=False))
