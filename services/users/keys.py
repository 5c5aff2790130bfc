"""The shops' data keys: asked of auth once, then remembered."""

from typing import Final
from uuid import UUID

from contracts.auth import VALIDATE_MERCHANT, ValidateMerchant
from contracts.caller import service_caller
from ports.mesh import Mesh
from ports.sealing import MerchantKey, MerchantKeys

_MOST: Final = 10_000
_SELF: Final = service_caller("users")


class ShopKeys:
    def __init__(self, mesh: Mesh, keys: MerchantKeys) -> None:
        self._mesh = mesh
        self._keys = keys
        self._known: dict[UUID, MerchantKey] = {}

    async def of(self, merchant_id: UUID) -> MerchantKey:
        """The data key of a shop. Raises NotFound for a shop that auth does not know, Unavailable
        or DeadlineExceeded when auth does not answer."""
        known = self._known.get(merchant_id)
        if known is None:
            shop = await self._mesh.call(
                VALIDATE_MERCHANT, ValidateMerchant(merchant_id=merchant_id), _SELF, deadline=2.0
            )
            known = self._keys.unwrap(shop.wrapped_key, merchant_id)
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]  # the one known for longest
            self._known[merchant_id] = known
        return known
