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

FRESH_SECONDS: Final = 60.0
STALE_SECONDS: Final = 3600.0
"""While auth is away, a shop that was known within this time is still served."""
UNKNOWN_SECONDS: Final = 5.0
_MOST: Final = 10_000

_SELF: Final = service_caller("api_gateway")
NO_SHOP: Final = "No shop of this name uses LoyalNest."


@dataclass(frozen=True, slots=True)
class Shop:
    """Also one that has removed the app (``installed``): what Shopify still says of it, such as
    ``shop/redact``, counts. ``active`` shops are served: not removed, and not suspended by us."""

    merchant_id: UUID
    installed: bool
    active: bool


@dataclass(slots=True)
class _Known:
    shop: Shop | None
    asked_at: float


class Shops:
    def __init__(self, mesh: Mesh, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._mesh = mesh
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}

    async def find(self, domain: str) -> Shop:
        """The shop that has, or once had, the app installed under this myshopify domain.

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

    async def active(self, domain: str) -> UUID:
        """The shop of this domain, if it is served now. Raises as ``find`` does."""
        shop = await self.find(domain)
        if not shop.active:
            raise NotFound(NO_SHOP)
        return shop.merchant_id

    def forget(self, merchant_id: UUID) -> None:
        """Ask again: what is known of this shop has changed, or it is new."""
        self._known = {
            domain: known
            for domain, known in self._known.items()
            if known.shop is not None and known.shop.merchant_id != merchant_id
        }

    async def _ask(self, domain: str) -> Shop | None:
        try:
            found = await self._mesh.call(
                VALIDATE_MERCHANT, ValidateMerchant(shop_domain=domain), _SELF, deadline=2.0
            )
        except NotFound:
            return None
        return Shop(
            found.merchant_id,
            installed=found.status != "uninstalled",
            active=found.status == "active",
        )


def _or_not_found(shop: Shop | None) -> Shop:
    if shop is None:
        raise NotFound(NO_SHOP)
    return shop
