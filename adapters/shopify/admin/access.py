"""Access tokens of shops, asked of auth and kept for as long as they are good."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Final
from uuid import UUID

from adapters.shopify.admin.errors import NotAsked
from contracts.caller import service_caller
from contracts.installs import (
    GET_SHOPIFY_ACCESS,
    AccessLost,
    GetShopifyAccess,
    ShopifyAccess,
    ShopifyUnavailable,
)
from domain.errors import Busy, DeadlineExceeded, NotFound
from ports.clock import Clock
from ports.mesh import Mesh

ENDS_BEFORE: Final = timedelta(minutes=1)
"""How long a token must be good that a question is begun with."""


class ShopAccess:
    """``service`` is who asks. A shop that is gone is noticed by the 401 that its token gets."""

    def __init__(self, mesh: Mesh, service: str, clock: Clock) -> None:
        self._mesh = mesh
        self._service = service
        self._clock = clock
        self._kept: dict[UUID, ShopifyAccess] = {}
        self._asking: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, merchant_id: UUID, *, refused_version: int = 0) -> ShopifyAccess:
        """Access that is newer than the ``refused_version``, which Shopify has answered with 401.

        Raises AccessLost for a shop whose staff has to open the app again, or that has removed
        it; NotAsked when auth or Shopify cannot say now.
        """
        kept = self._good(merchant_id, refused_version)
        if kept is not None:
            return kept
        lock = self._asking[merchant_id]
        try:
            async with lock:  # of those who find none at the same time, one asks
                kept = self._good(merchant_id, refused_version)
                if kept is None:
                    kept = self._kept[merchant_id] = await self._ask(merchant_id, refused_version)
                return kept
        finally:
            if not lock.locked():
                self._asking.pop(merchant_id, None)

    def _good(self, merchant_id: UUID, refused_version: int) -> ShopifyAccess | None:
        kept = self._kept.get(merchant_id)
        if kept is None:
            return None
        if kept.version > refused_version and kept.expires_at - self._clock.now() > ENDS_BEFORE:
            return kept
        del self._kept[merchant_id]
        return None

    async def _ask(self, merchant_id: UUID, refused_version: int) -> ShopifyAccess:
        try:
            return await self._mesh.call(
                GET_SHOPIFY_ACCESS,
                GetShopifyAccess(refused_version=refused_version),
                service_caller(self._service, merchant_id),
            )
        except NotFound:
            raise AccessLost from None
        except (ShopifyUnavailable, DeadlineExceeded, Busy):
            raise NotAsked from None
