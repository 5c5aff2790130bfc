"""What people do in the demo shops, who are not there: buying, telling of what was bought, sorting
goods into collections."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from infra.demo_shop.admin.api.checkout import CodeRefused, NoSuchProduct, place_order
from infra.demo_shop.admin.api.shop import Payload, Shops
from infra.demo_shop.admin.api.views import gid
from infra.demo_shop.admin.grants import Grants
from infra.demo_shop.admin.oauth import AnyRequest, shop_of
from infra.demo_shop.admin.stock import Stock, Told
from infra.demo_shop.wire import iso

Deliver = Callable[[str, str, Payload], Awaitable[None]]
"""Sends the app a webhook: of which shop, on what, with what in it."""


class _Item(msgspec.Struct):
    product_id: int
    quantity: int = 1


class _Basket(msgspec.Struct):
    """What somebody takes to the checkout; without a customer a guest."""

    items: list[_Item]
    customer: int | None = None
    code: str = ""
    source: str = "web"


class _Sorted(msgspec.Struct):
    """What is in a collection from now on."""

    products: list[int]


def playing_routes(
    grants: Grants, shops: Shops, stock: Stock, deliver: Deliver
) -> list[HTTPRouteHandler]:
    @get("/{shop:str}/access-token", sync_to_thread=False)
    def access_token(request: AnyRequest) -> Response[str]:
        """For asking the Admin API by hand: another token would end the app's."""
        token = grants.access_token(shop_of(request))
        return Response(token, media_type="text/plain", headers={"Cache-Control": "no-store"})

    @post("/{shop:str}/checkout", status_code=200)
    async def checkout(request: AnyRequest) -> Response[Any]:
        """Buys, and has Shopify tell the app of it. 422 where the checkout does not take the
        code."""
        try:
            basket = msgspec.json.decode(await request.body(), type=_Basket)
        except msgspec.MsgspecError as error:
            return _no(400, "invalid", str(error))
        domain = shop_of(request)
        shop = shops[domain]
        shop.take_in()
        try:
            order = place_order(
                shop,
                [(each.product_id, each.quantity) for each in basket.items],
                customer=basket.customer,
                code=basket.code,
                source=basket.source,
            )
        except CodeRefused as error:
            return _no(422, "code_refused", str(error))
        except NoSuchProduct as error:
            return _no(404, "no_such_product", str(error))
        await deliver(domain, "orders/create", order)
        return Response(order)

    @put("/{shop:str}/collections/{number:int}")
    async def sort_into(request: AnyRequest) -> Response[Any]:
        """Sorts by hand, so that no product changes, and has Shopify tell the app of it."""
        try:
            given = msgspec.json.decode(await request.body(), type=_Sorted)
        except msgspec.MsgspecError as error:
            return _no(400, "invalid", str(error))
        shop = shops[shop_of(request)]
        shop.take_in()
        collection = shop.collections.get(str(request.path_params["number"]))
        if collection is None:
            return _no_collection()
        collection.products = [str(each) for each in given.products]
        collection.updated_at = shop.now()
        changed = {
            "id": collection.number,
            "handle": collection.handle,
            "title": collection.title,
            "updated_at": iso(collection.updated_at),
            "admin_graphql_api_id": gid("Collection", collection.number),
        }
        await deliver(shop.domain, "collections/update", changed)
        return Response(changed)

    @delete("/{shop:str}/collections/{number:int}", status_code=200)
    async def give_up(request: AnyRequest) -> Response[Any]:
        """The collection is gone, its products are not; the app hears of it."""
        shop = shops[shop_of(request)]
        shop.take_in()
        collection = shop.collections.pop(str(request.path_params["number"]), None)
        if collection is None:
            return _no_collection()
        gone = {"id": collection.number}
        await deliver(shop.domain, "collections/delete", gone)
        return Response(gone)

    @post("/{shop:str}/plans", status_code=204)
    async def told(request: AnyRequest) -> None:
        """Somebody has sent the webhooks of a plan: the API knows of the same from now on."""
        plan = msgspec.json.decode(await request.body(), type=Told)
        stock.add(shops[shop_of(request)], plan)

    return [access_token, checkout, sort_into, give_up, told]


def _no_collection() -> Response[Any]:
    return _no(404, "no_such_collection", "The shop has no such collection.")


def _no(status: int, error: str, words: str) -> Response[Any]:
    return Response({"error": error, "error_description": words}, status_code=status)
