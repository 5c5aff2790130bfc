"""The little of the Admin API that an app needs to get in: what a shop reckons in."""

from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from infra.demo_shop.admin.grants import Grants
from infra.demo_shop.admin.oauth import shop_of
from infra.demo_shop.delivery import CURRENCY

TIME_ZONE = "America/New_York"


class Details:
    """By shop, its currency and time zone; every other shop has those of the demo shop."""

    def __init__(self) -> None:
        self.of: dict[str, tuple[str, str]] = {}

    def answer(self, shop: str) -> dict[str, Any]:
        currency, time_zone = self.of.get(shop, (CURRENCY, TIME_ZONE))
        return {"data": {"shop": {"currencyCode": currency, "ianaTimezone": time_zone}}}


def details_routes(grants: Grants, details: Details) -> list[HTTPRouteHandler]:
    @post("/{shop:str}/admin/api/{version:str}/graphql.json", status_code=200)
    async def graphql(request: Request[Any, Any, Any]) -> Response[Any]:
        """Whatever is asked: the shop's details."""
        shop = shop_of(request)
        grants.check(shop, request.headers.get("x-shopify-access-token", ""))
        return Response(details.answer(shop))

    return [graphql]
