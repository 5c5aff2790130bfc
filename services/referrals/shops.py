"""Where shops are found, which never changes: asked of auth once per shop."""

from typing import Final
from uuid import UUID

from contracts.auth import VALIDATE_MERCHANT, ValidateMerchant
from contracts.caller import service_caller
from ports.mesh import Mesh

_MOST: Final = 10_000


class Shops:
    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._domains: dict[UUID, str] = {}

    async def domain(self, merchant_id: UUID) -> str:
        """Raises NotFound for a shop that auth does not know, Unavailable when it is away."""
        if merchant_id not in self._domains:
            found = await self._mesh.call(
                VALIDATE_MERCHANT,
                ValidateMerchant(merchant_id=merchant_id),
                service_caller("referrals"),
            )
            if len(self._domains) >= _MOST:
                self._domains.clear()
            self._domains[merchant_id] = found.shop_domain
        return self._domains[merchant_id]
