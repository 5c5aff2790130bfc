"""What a browser asks for first: the page, its parts, and whose shop it shows."""

from typing import Final

from contracts.auth import VALIDATE_MERCHANT, ValidateMerchant
from contracts.caller import Caller, service_caller
from contracts.frontend import File, GetAsset, GetPage, GetShop, Shop
from domain.errors import NotFound
from ports.assets import Assets
from ports.mesh import Mesh

_PAGE: Final = "index.html"


class Pages:
    def __init__(self, assets: Assets, mesh: Mesh) -> None:
        self._assets = assets
        self._mesh = mesh

    async def page(self, _caller: Caller, _request: GetPage) -> File:
        return self._file(_PAGE)

    async def asset(self, _caller: Caller, request: GetAsset) -> File:
        return self._file(request.path.removeprefix("/"))

    async def shop(self, caller: Caller, _request: GetShop) -> Shop:
        tenant = caller.tenant
        merchant = await self._mesh.call(
            VALIDATE_MERCHANT,
            ValidateMerchant(merchant_id=tenant),
            service_caller("frontend", tenant),
        )
        return Shop(
            shop_domain=merchant.shop_domain,
            status=merchant.status,
            currency=merchant.currency,
            time_zone=merchant.time_zone,
        )

    def _file(self, name: str) -> File:
        asset = self._assets.find(name)
        if asset is None:
            raise NotFound("The page has no such part.")
        return File(content=asset.content, media_type=asset.media_type, etag=asset.etag)
