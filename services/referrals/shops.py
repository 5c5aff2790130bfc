"""What auth knows of a shop and never changes: its address and its key. Asked once per shop."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts.auth import VALIDATE_MERCHANT, ValidateMerchant
from contracts.caller import service_caller
from ports.mesh import Mesh
from ports.sealing import MerchantKey, MerchantKeys

_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Shop:
    domain: str
    key: MerchantKey


class Shops:
    def __init__(self, mesh: Mesh, keys: MerchantKeys) -> None:
        self._mesh = mesh
        self._keys = keys
        self._known: dict[UUID, Shop] = {}

    async def shop(self, merchant_id: UUID) -> Shop:
        """Raises NotFound for a shop that auth does not know, Unavailable when it is away."""
        if merchant_id not in self._known:
            found = await self._mesh.call(
                VALIDATE_MERCHANT,
                ValidateMerchant(merchant_id=merchant_id),
                service_caller("referrals"),
            )
            if len(self._known) >= _MOST:
                self._known.clear()
            key = self._keys.unwrap(found.wrapped_key, merchant_id)
            self._known[merchant_id] = Shop(found.shop_domain, key)
        return self._known[merchant_id]
