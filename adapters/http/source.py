"""Where a request comes from, as a mark that says nothing about whose address it is."""

import hmac
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from litestar import Request

from adapters.crypto.derive import derived

_ONE_NETWORK: Final = 64
"""Bits of an IPv6 address that name a connection; whoever has one has all addresses in it."""


class Sources:
    """``proxies`` web servers stand in front of the gateway, each of which adds the address that it
    was called from to ``X-Forwarded-For``; what stands there before them anybody can make up."""

    def __init__(self, master_key: bytes, proxies: int) -> None:
        self._key = derived(master_key, "source of a request")
        self._proxies = proxies

    def of(self, request: Request[Any, Any, Any]) -> str:
        """32 hex digits, the same for one connection to the internet; empty if it is not known."""
        network = _network(self._address(request))
        if not network:
            return ""
        return hmac.digest(self._key, network.encode(), "sha256").hex()[:32]

    def _address(self, request: Request[Any, Any, Any]) -> str:
        if self._proxies:
            # A header that comes several times is one list.
            named = ",".join(request.headers.getall("x-forwarded-for", [])).split(",")
            return named[-self._proxies].strip() if len(named) >= self._proxies else ""
        return request.client.host if request.client is not None else ""


def _network(address: str) -> str:
    try:
        known = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(known, IPv6Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(IPv6Network((int(known), _ONE_NETWORK), strict=False))
