"""Which shop is behind a domain, remembered, because every webhook asks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts.auth import VALIDATE_MERCHANT, ValidateMerchant
from contracts.caller import service_caller
from domain.errors import DeadlineExceeded, NotFound, Unavailable
from ports.mesh import Mesh
from ports.sealing import MerchantKey, MerchantKeys

FRESH_SECONDS: Final = 60.0
STALE_SECONDS: Final = 3600.0
"""While auth is away, a shop that was known within this time is still served."""
UNKNOWN_SECONDS: Final = 5.0
_MOST: Final = 10_000

_SELF: Final = service_caller("api_gateway")


@dataclass(frozen=True, slots=True)
class Shop:
    """Also one that has uninstalled: what Shopify still says of it (``shop/redact``) counts."""

    merchant_id: UUID
    key: MerchantKey


@dataclass(slots=True)
class _Known:
    shop: Shop | None
    asked_at: float


class Shops:
    def __init__(
        self, mesh: Mesh, keys: MerchantKeys, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._mesh = mesh
        self._keys = keys
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}

    async def find(self, domain: str) -> Shop:
        """The shop that has installed the app under this myshopify domain.

        Raises NotFound for any other, Unavailable when auth does not answer and the shop was not
        asked for within the last hour.
        """
        now = self._monotonic()
        known = self._known.get(domain)
        if known is not None and now - known.asked_at < (
            UNKNOWN_SECONDS if known.shop is None else FRESH_SECONDS
        ):
            return _or_not_found(known.shop)
        try:
            shop = await self._ask(domain)
        except (Unavailable, DeadlineExceeded):
            if known is None or known.shop is None or now - known.asked_at > STALE_SECONDS:
                raise Unavailable from None
            return known.shop
        if len(self._known) >= _MOST:
            # Made-up domains must not fill the memory; the shops come back by asking.
            self._known.clear()
        self._known[domain] = _Known(shop, now)
        return _or_not_found(shop)

    async def _ask(self, domain: str) -> Shop | None:
        try:
            found = await self._mesh.call(
                VALIDATE_MERCHANT, ValidateMerchant(shop_domain=domain), _SELF, deadline=2.0
            )
        except NotFound:
            return None
        key = self._keys.unwrap(found.wrapped_key, found.merchant_id)
        return Shop(found.merchant_id, key)


def _or_not_found(shop: Shop | None) -> Shop:
    if shop is None:
        raise NotFound("No shop of this name uses LoyalNest.")
    return shop
