"""At the checkout of the demo shop: who may use which code, and what their order says of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.shopify.payloads import OrderPayload
from infra.demo_shop.admin.api.checkout import (
    CodeRefused,
    NoSuchProduct,
    Piece,
    place_order,
    share_out,
)
from infra.demo_shop.admin.api.shop import Payload
from infra.demo_shop.admin.server import Admin
from infra.demo_shop.admin.stock import Stock, Told
from infra.embedded.ports import free_port
from tests.demo_shop.admin_graphql import APP, SHOP, Api, new_api
from tests.demo_shop.samples import product

MAKE = """mutation make($basic: DiscountCodeBasicInput!) {
  discountCodeBasicCreate(basicCodeDiscount: $basic) {
    codeDiscountNode { id } userErrors { message } } }"""
SHIPPING = """mutation make($input: DiscountCodeFreeShippingInput!) {
  discountCodeFreeShippingCreate(freeShippingCodeDiscount: $input) { userErrors { message } } }"""
BXGY = """mutation make($input: DiscountCodeBxgyInput!) {
  discountCodeBxgyCreate(bxgyCodeDiscount: $input) { userErrors { message } } }"""
TEN, TWENTY, CARD = 10, 20, 30


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = new_api()
    async with api.http:
        shop = api.shop
        for number in (7, 8):
            shop.add_customer(number)
        for number, price in ((TEN, "10.00"), (TWENTY, "20.00")):
            shop.hear("products/create", product(number, variants=[{"id": number, "price": price}]))
        card = product(CARD, product_type="Gift Cards", variants=[{"id": CARD, "price": "50.00"}])
        shop.hear("products/create", card)
        yield api


async def code(api: Api, value: dict[str, Any], items: Any = None, **changes: Any) -> str:
    given = {
        "title": "A reward",
        "code": "LOY-1",
        "startsAt": api.now.isoformat(),
        "customerGets": {"items": items or {"all": True}, "value": value},
    } | changes
    answer = await api.data(MAKE, basic=given)
    assert answer["discountCodeBasicCreate"]["userErrors"] == []
    node: str = answer["discountCodeBasicCreate"]["codeDiscountNode"]["id"]
    return node


def off(order: Payload) -> list[str]:
    """What each line is cheaper by."""
    return [
        each["discount_allocations"][0]["amount"] if each["discount_allocations"] else ""
        for each in order["line_items"]
    ]


async def test_an_order_without_a_code_is_what_was_bought(api: Api) -> None:
    order = place_order(api.shop, [(TEN, 2), (TWENTY, 1)], customer=7)
    assert (order["subtotal_price"], order["total_price"]) == ("40.00", "47.50")
    assert order["discount_codes"] == []
    # It is what our webhooks take, and what the API knows.
    read = msgspec.convert(order, OrderPayload, strict=False)
    assert read.customer is not None
    seen = await api.data("{ orders(first: 1) { nodes { name customer { numberOfOrders } } } }")
    (node,) = seen["orders"]["nodes"]
    assert node == {"name": order["name"], "customer": {"numberOfOrders": "1"}}
    guest = place_order(api.shop, [(TEN, 1)], source="pos")
    assert (guest["customer"], guest["total_price"]) == (None, "10.00")
    with pytest.raises(NoSuchProduct):
        place_order(api.shop, [(99, 1)])


async def test_an_amount_is_shared_out_by_what_lines_cost(api: Api) -> None:
    await code(api, {"discountAmount": {"amount": "5", "appliesOnEachItem": False}})
    order = place_order(api.shop, [(TEN, 1), (TWENTY, 1), (CARD, 1)], customer=7, code="loy-1")
    assert off(order) == ["1.66", "3.34", ""]
    assert order["discount_codes"] == [{"code": "LOY-1", "amount": "5.00", "type": "fixed_amount"}]
    assert (order["subtotal_price"], order["total_price"]) == ("75.00", "82.50")
    seen = await api.data(
        """{ orders(first: 1) { nodes { discountCodes totalDiscountsSet { shopMoney { amount } } } }
          codeDiscountNodeByCode(code: "LOY-1") { codeDiscount { ... on DiscountCodeBasic {
            asyncUsageCount } } } }"""
    )
    assert seen["orders"]["nodes"] == [
        {"discountCodes": ["LOY-1"], "totalDiscountsSet": {"shopMoney": {"amount": "5.0"}}}
    ]
    assert seen["codeDiscountNodeByCode"]["codeDiscount"] == {"asyncUsageCount": 1}


@given(
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(1, 4)), min_size=1, max_size=6),
    st.integers(0, 100),
)
def test_what_is_shared_out_adds_up_to_the_cent(goods: list[tuple[int, int]], share: int) -> None:
    pieces = [
        Piece({"variants": [{"price": str(Decimal(cents) / 100)}]}, quantity)
        for cents, quantity in goods
    ]
    total = sum((each.total for each in pieces), Decimal(0))
    off = (total * share / 100).quantize(Decimal("0.01"))
    share_out(pieces, off)
    assert sum((each.off for each in pieces), Decimal(0)) == off
    assert all(0 <= each.off <= each.total for each in pieces)


async def test_an_amount_is_never_more_than_the_goods(api: Api) -> None:
    await code(api, {"discountAmount": {"amount": "99", "appliesOnEachItem": False}})
    order = place_order(api.shop, [(TEN, 1), (TWENTY, 1)], customer=7, code="LOY-1")
    assert (off(order), order["total_price"]) == (["10.00", "20.00"], "7.50")


async def test_a_percentage_of_some_products_only(api: Api) -> None:
    items = {"products": {"productsToAdd": [f"gid://shopify/Product/{TWENTY}"]}}
    await code(api, {"percentage": 0.15}, items)
    order = place_order(api.shop, [(TEN, 1), (TWENTY, 2)], customer=7, code="LOY-1")
    assert (off(order), order["discount_codes"][0]["type"]) == (["", "6.00"], "percentage")
    with pytest.raises(CodeRefused):
        place_order(api.shop, [(TEN, 1)], customer=7, code="LOY-1")


async def test_each_item_of_a_collection(api: Api) -> None:
    collection = api.shop.add_collection("Dear", [TWENTY])
    items = {"collections": {"add": [f"gid://shopify/Collection/{collection.number}"]}}
    await code(api, {"discountAmount": {"amount": "3", "appliesOnEachItem": True}}, items)
    order = place_order(api.shop, [(TEN, 1), (TWENTY, 2)], customer=7, code="LOY-1")
    assert off(order) == ["", "6.00"]


async def test_only_the_member_may_use_a_code_and_once(api: Api) -> None:
    await code(
        api,
        {"percentage": 0.1},
        usageLimit=1,
        appliesOncePerCustomer=True,
        context={"customers": {"add": ["gid://shopify/Customer/7"]}},
    )
    for who in (8, None):
        with pytest.raises(CodeRefused, match="not for this customer"):
            place_order(api.shop, [(TEN, 1)], customer=who, code="LOY-1")
    place_order(api.shop, [(TEN, 1)], customer=7, code="LOY-1")
    with pytest.raises(CodeRefused, match="used up"):
        place_order(api.shop, [(TEN, 1)], customer=7, code="LOY-1")
    assert len(api.shop.orders) == 1


async def test_once_for_each_customer(api: Api) -> None:
    await code(api, {"percentage": 0.1}, appliesOncePerCustomer=True)
    for who in (7, 8):
        place_order(api.shop, [(TEN, 1)], customer=who, code="LOY-1")
        with pytest.raises(CodeRefused, match="before"):
            place_order(api.shop, [(TEN, 1)], customer=who, code="LOY-1")


async def test_a_code_begins_and_ends_and_can_be_taken_back(api: Api) -> None:
    begins, ends = api.now + timedelta(hours=1), api.now + timedelta(hours=3)
    node = await code(
        api, {"percentage": 0.1}, startsAt=begins.isoformat(), endsAt=ends.isoformat()
    )

    def usable() -> bool:
        try:
            place_order(api.shop, [(TEN, 1)], customer=7, code="LOY-1")
        except CodeRefused:
            return False
        return True

    seen = [usable()]
    for _ in range(3):
        api.later(hours=1)
        seen.append(usable())
    assert seen == [False, True, True, False]
    again = "mutation on($id: ID!) { discountCodeActivate(id: $id) { userErrors { message } } }"
    await api.data(again, id=node)
    assert usable()
    end = "mutation off($id: ID!) { discountCodeDeactivate(id: $id) { userErrors { message } } }"
    await api.data(end, id=node)
    assert not usable()


@pytest.mark.parametrize(
    ("least", "too_little", "enough"),
    [
        ({"subtotal": {"greaterThanOrEqualToSubtotal": "30"}}, [(TWENTY, 1), (CARD, 1)], 3),
        ({"quantity": {"greaterThanOrEqualToQuantity": "2"}}, [(TWENTY, 1), (CARD, 1)], 2),
    ],
)
async def test_a_code_wants_a_minimum_of_goods(
    api: Api, least: dict[str, Any], too_little: list[tuple[int, int]], enough: int
) -> None:
    await code(api, {"percentage": 0.1}, minimumRequirement=least)
    with pytest.raises(CodeRefused):
        place_order(api.shop, too_little, customer=7, code="LOY-1")
    place_order(api.shop, [(TEN, enough)], customer=7, code="LOY-1")


async def test_shipping_is_free(api: Api) -> None:
    given = {
        "title": "Free",
        "code": "SHIP",
        "startsAt": api.now.isoformat(),
        "destination": {"all": True},
    }
    await api.data(SHIPPING, input=given)
    order = place_order(api.shop, [(TEN, 1)], customer=7, code="SHIP")
    assert (order["subtotal_price"], order["total_price"]) == ("10.00", "10.00")
    assert order["discount_codes"] == [{"code": "SHIP", "amount": "7.50", "type": "shipping"}]
    assert off(order) == [""]
    await api.data(SHIPPING, input=given | {"code": "CHEAP", "maximumShippingPrice": "5"})
    with pytest.raises(CodeRefused):
        place_order(api.shop, [(TEN, 1)], customer=7, code="CHEAP")


async def test_a_product_is_free_with_another(api: Api) -> None:
    def of(number: int) -> dict[str, Any]:
        return {"products": {"productsToAdd": [f"gid://shopify/Product/{number}"]}}

    free = {"discountOnQuantity": {"quantity": "1", "effect": {"percentage": 1.0}}}
    given = {
        "title": "Free",
        "startsAt": api.now.isoformat(),
        "customerBuys": {"items": of(TWENTY), "value": {"quantity": "1"}},
        "customerGets": {"items": of(TEN), "value": free},
    }
    await api.data(BXGY, input=given | {"code": "GIFT"})
    order = place_order(api.shop, [(TEN, 2), (TWENTY, 1)], customer=7, code="GIFT")
    assert (off(order), order["subtotal_price"]) == (["10.00", ""], "30.00")
    for short in ([(TEN, 2)], [(TWENTY, 2)]):
        with pytest.raises(CodeRefused):
            place_order(api.shop, short, customer=7, code="GIFT")
    # Two for the price of one needs two.
    given |= {"customerGets": {"items": of(TWENTY), "value": free}}
    await api.data(BXGY, input=given | {"code": "TWO"})
    with pytest.raises(CodeRefused):
        place_order(api.shop, [(TWENTY, 1)], customer=7, code="TWO")
    order = place_order(api.shop, [(TWENTY, 2)], customer=7, code="TWO")
    assert order["subtotal_price"] == "20.00"


async def test_the_checkout_over_http_tells_the_app(api: Api) -> None:
    told: list[tuple[str, str, Payload]] = []

    async def deliver(shop: str, topic: str, payload: Payload) -> None:
        told.append((shop, topic, payload))

    async with (
        Admin(APP, free_port(set()), callbacks=[], anybody=True, deliver=deliver) as admin,
        httpx.AsyncClient() as http,
    ):
        admin.shops[SHOP].hear("products/create", product(TEN))
        address = admin.base.replace("{shop}", SHOP) + "/checkout"
        basket = {"customer": 5, "items": [{"product_id": TEN, "quantity": 2}]}
        answer = await http.post(address, json=basket)
        assert answer.status_code == 200
        order = answer.json()
        assert (order["customer"]["id"], order["subtotal_price"]) == (5, "25.00")
        assert [(shop, topic) for shop, topic, _ in told] == [(SHOP, "orders/create")]
        for wrong, status in (
            (basket | {"code": "NOPE"}, 422),
            (basket | {"items": [{"product_id": 1}]}, 404),
            ({"customer": 5}, 400),
        ):
            assert (await http.post(address, json=wrong)).status_code == status
        assert len(told) == 1
        tokens = admin.base.replace("{shop}", SHOP) + "/access-token"
        assert (await http.get(tokens)).status_code == 404
        admin.grants.by_code(SHOP, admin.grants.approve(SHOP, ["read_orders"]))
        assert admin.grants.check(SHOP, (await http.get(tokens)).text) == {"read_orders"}


async def test_staff_sorts_goods_and_the_app_is_told(api: Api) -> None:
    told: list[tuple[str, str, Payload]] = []

    async def deliver(shop: str, topic: str, payload: Payload) -> None:
        told.append((shop, topic, payload))

    async with (
        Admin(APP, free_port(set()), callbacks=[], deliver=deliver) as admin,
        httpx.AsyncClient() as http,
    ):
        winter = admin.shops[SHOP].add_collection("Winter", [TEN])
        address = f"{admin.base.replace('{shop}', SHOP)}/collections/{winter.number}"
        assert (await http.put(address, json={"products": [TWENTY]})).status_code == 200
        assert winter.products == [str(TWENTY)]
        assert (await http.put(address, json={"products": "all"})).status_code == 400
        assert (await http.put(f"{address}1", json={"products": []})).status_code == 404
        assert (await http.delete(address)).status_code == 200
        assert (await http.delete(address)).status_code == 404
        assert [(shop, topic, body["id"]) for shop, topic, body in told] == [
            (SHOP, "collections/update", winter.number),
            (SHOP, "collections/delete", winter.number),
        ]


async def test_the_stock_is_what_was_sent_as_webhooks() -> None:
    api = new_api()
    written: list[dict[str, list[Told]]] = []
    stock = Stock({}, lambda plans: written.append(dict(plans)))
    told = Told(3, "r", 40, 10, api.now, timedelta(days=90).total_seconds(), True)
    stock.add(api.shop, told)
    assert api.shop.orders == {}  # nobody has asked yet
    asked = """{ ordersCount { count } customersCount { count } productsCount { count }
      collections(first: 9) { nodes { title productsCount { count } } } }"""
    seen, at_once = await asyncio.gather(api.data(asked), api.data(asked))
    assert seen == at_once
    assert seen["ordersCount"] == {"count": 40}
    assert seen["productsCount"] == {"count": 60}
    titles = {each["title"] for each in seen["collections"]["nodes"]}
    assert {"Kitchen", "Candles", "Gift Cards"} <= titles
    # Another run of the demo shop finds the same again.
    again = new_api()
    Stock(written[-1], lambda _: None).fill(again.shop)
    assert await again.data(asked) == seen
    total = sum(Decimal(each["total_price"]) for each in api.shop.orders.values())
    assert total == sum(Decimal(each["total_price"]) for each in again.shop.orders.values())
    for each in (api, again):
        await each.http.aclose()
