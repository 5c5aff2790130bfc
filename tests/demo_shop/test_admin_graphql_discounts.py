"""Discounts that apps make in the demo shop: as Shopify makes them, and refused as it does."""

from datetime import timedelta
from typing import Any

import pytest

from tests.demo_shop.admin_graphql import Api
from tests.demo_shop.discounts import BASIC, basic, made


@pytest.fixture
def api(api: Api) -> Api:
    api.shop.add_customer(7, email="seven@example.com")
    return api


async def test_a_discount_is_what_was_asked_for(api: Api) -> None:
    node = await made(api)
    assert node["id"].startswith("gid://shopify/DiscountCodeNode/")
    assert node["codeDiscount"] == {
        "title": "Five off",
        "status": "ACTIVE",
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "startsAt": "2026-11-21T12:00:00Z",
        "endsAt": "2026-12-21T12:00:00Z",
        "discountClasses": ["ORDER"],
        "asyncUsageCount": 0,
        "codes": {"nodes": [{"code": "LOY-1"}]},
        "context": {
            "__typename": "DiscountCustomers",
            "customers": [{"id": "gid://shopify/Customer/7"}],
        },
        "customerGets": {
            "value": {
                "__typename": "DiscountAmount",
                "amount": {"amount": "5.0", "currencyCode": "USD"},
                "appliesOnEachItem": False,
            },
            "items": {"__typename": "AllDiscountItems"},
        },
        "minimumRequirement": {"greaterThanOrEqualToSubtotal": {"amount": "20.0"}},
    }


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"code": "loy-0"}, "TAKEN", ["code"]),
        ({"code": " "}, "BLANK", ["code"]),
        ({"title": ""}, "BLANK", ["title"]),
        ({"startsAt": None}, "BLANK", ["startsAt"]),
        ({"endsAt": "2026-11-21T11:00:00Z"}, "INVALID", ["endsAt"]),
        ({"usageLimit": 0}, "GREATER_THAN", ["usageLimit"]),
        (
            {"context": {"customers": {"add": ["gid://shopify/Customer/8"]}}},
            "INVALID",
            ["context", "customers", "add"],
        ),
        (
            {"customerGets": {"items": {"all": True}, "value": {"percentage": 10.0}}},
            "VALUE_OUTSIDE_RANGE",
            ["customerGets", "value", "percentage"],
        ),
        (
            {"customerGets": {"items": {"all": True}, "value": {"discountAmount": {"amount": 0}}}},
            "VALUE_OUTSIDE_RANGE",
            ["customerGets", "value", "discountAmount", "amount"],
        ),
        (
            {
                "customerGets": {
                    "items": {"products": {"productsToAdd": ["gid://shopify/Product/1"]}},
                    "value": {"percentage": 0.1},
                }
            },
            "INVALID",
            ["customerGets", "items", "products", "productsToAdd"],
        ),
    ],
)
async def test_a_discount_that_shopify_would_not_make_is_not_made(
    api: Api, changes: dict[str, Any], code: str, field: list[str]
) -> None:
    await made(api, code="LOY-0")
    answer = (await api.data(BASIC, input=basic(api, **changes)))["discountCodeBasicCreate"]
    (error,) = answer["userErrors"]
    assert (error["code"], error["field"]) == (code, ["basicCodeDiscount", *field])
    assert answer["codeDiscountNode"] is None
    assert len(api.shop.discounts) == 1


async def test_all_that_is_wrong_with_a_discount_is_said_at_once(api: Api) -> None:
    answer = await api.data(BASIC, input=basic(api, title="", usageLimit=-1, code=""))
    errors = answer["discountCodeBasicCreate"]["userErrors"]
    assert {each["field"][-1] for each in errors} == {"title", "code", "usageLimit"}


async def test_a_code_is_found_whatever_its_case_and_ends(api: Api) -> None:
    node = await made(api)
    find = """query find($code: String!) { codeDiscountNodeByCode(code: $code) {
      id codeDiscount { ... on DiscountCodeBasic { status } } } }"""
    found = (await api.data(find, code="loy-1"))["codeDiscountNodeByCode"]
    assert found == {"id": node["id"], "codeDiscount": {"status": "ACTIVE"}}
    assert (await api.data(find, code="LOY-2"))["codeDiscountNodeByCode"] is None

    by_id = """query one($id: ID!) { discountNode(id: $id) {
      discount { ... on DiscountCodeBasic { title } } } codeDiscountNode(id: $id) { id } }"""
    both = await api.data(by_id, id=node["id"])
    assert both["discountNode"] == {"discount": {"title": "Five off"}}
    assert both["codeDiscountNode"] == {"id": node["id"]}

    end = """mutation end($id: ID!) { discountCodeDeactivate(id: $id) {
      codeDiscountNode { codeDiscount { ... on DiscountCodeBasic { status endsAt } } }
      userErrors { code field } } }"""
    ended = (await api.data(end, id=node["id"]))["discountCodeDeactivate"]
    assert ended["codeDiscountNode"]["codeDiscount"] == {
        "status": "EXPIRED",
        "endsAt": "2026-11-21T12:00:00Z",
    }
    # Its code stays taken until it is deleted.
    answer = (await api.data(BASIC, input=basic(api)))["discountCodeBasicCreate"]
    assert answer["userErrors"][0]["code"] == "TAKEN"
    delete = """mutation gone($id: ID!) { discountCodeDelete(id: $id) {
      deletedCodeDiscountId userErrors { code field } } }"""
    assert (await api.data(delete, id=node["id"]))["discountCodeDelete"] == {
        "deletedCodeDiscountId": node["id"],
        "userErrors": [],
    }
    assert (await api.data(find, code="LOY-1"))["codeDiscountNodeByCode"] is None
    for mutation, name in ((end, "discountCodeDeactivate"), (delete, "discountCodeDelete")):
        (error,) = (await api.data(mutation, id=node["id"]))[name]["userErrors"]
        assert error["field"] == ["id"]
    await made(api)


async def test_discounts_are_told_by_time(api: Api) -> None:
    node = await made(api, startsAt=(api.now + timedelta(hours=1)).isoformat())
    assert node["codeDiscount"]["status"] == "SCHEDULED"
    listed = 'query { codeDiscountNodes(first: 5, query: "status:%s") { nodes { id } } }'
    for hours, status in ((0, "scheduled"), (2, "active"), (24 * 31, "expired")):
        api.later(hours=hours)
        found = (await api.data(listed % status))["codeDiscountNodes"]["nodes"]
        assert found == [{"id": node["id"]}]


async def test_free_shipping_and_a_free_product(api: Api) -> None:
    api.shop.hear("products/create", product(11))
    common = {
        "title": "A gift",
        "startsAt": api.now.isoformat(),
        "usageLimit": 1,
        "context": {"all": "ALL"},
    }
    shipping = """mutation s($input: DiscountCodeFreeShippingInput!) {
      discountCodeFreeShippingCreate(freeShippingCodeDiscount: $input) {
        codeDiscountNode { codeDiscount { ... on DiscountCodeFreeShipping {
          discountClasses destinationSelection { ... on DiscountCountryAll { allCountries } }
          context { __typename } } } }
        userErrors { code field } } }"""
    given = {**common, "code": "SHIP", "destination": {"all": True}}
    answer = (await api.data(shipping, input=given))["discountCodeFreeShippingCreate"]
    assert answer["codeDiscountNode"]["codeDiscount"] == {
        "discountClasses": ["SHIPPING"],
        "destinationSelection": {"allCountries": True},
        "context": {"__typename": "DiscountBuyerSelectionAll"},
    }
    wrong = {**given, "code": "SHIP2", "combinesWith": {"shippingDiscounts": True}}
    (error,) = (await api.data(shipping, input=wrong))["discountCodeFreeShippingCreate"][
        "userErrors"
    ]
    assert error["code"] == "INVALID_COMBINES_WITH_FOR_DISCOUNT_CLASS"

    bxgy = """mutation b($input: DiscountCodeBxgyInput!) {
      discountCodeBxgyCreate(bxgyCodeDiscount: $input) {
        codeDiscountNode { codeDiscount { ... on DiscountCodeBxgy {
          customerBuys { value { ... on DiscountQuantity { quantity } } }
          customerGets { items { ... on DiscountProducts { products(first: 1) { nodes { id } } } }
            value { ... on DiscountOnQuantity { quantity { quantity }
              effect { ... on DiscountPercentage { percentage } } } } } } } }
        userErrors { code field message } } }"""
    items = {"products": {"productsToAdd": ["gid://shopify/Product/11"]}}
    free = {"discountOnQuantity": {"quantity": "1", "effect": {"percentage": 1.0}}}
    given = {
        **common,
        "code": "FREE",
        "customerBuys": {"items": items, "value": {"quantity": "1"}},
        "customerGets": {"items": items, "value": free},
    }
    answer = (await api.data(bxgy, input=given))["discountCodeBxgyCreate"]
    assert answer["codeDiscountNode"]["codeDiscount"] == {
        "customerBuys": {"value": {"quantity": "1"}},
        "customerGets": {
            "items": {"products": {"nodes": [{"id": "gid://shopify/Product/11"}]}},
            "value": {"quantity": {"quantity": "1"}, "effect": {"percentage": 1.0}},
        },
    }
    wrong = {**given, "code": "FREE2", "customerGets": {"items": {"all": True}, "value": free}}
    (error,) = (await api.data(bxgy, input=wrong))["discountCodeBxgyCreate"]["userErrors"]
    assert error["message"] == "Items in 'customer get' cannot be set to all"


def product(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Thing {number}",
        "handle": f"thing-{number}",
        "created_at": "2026-01-01T00:00:00-05:00",
        "updated_at": "2026-01-01T00:00:00-05:00",
        "variants": [{"id": number * 10, "title": "Regular", "price": "12.50", "sku": "T"}],
    } | changes
