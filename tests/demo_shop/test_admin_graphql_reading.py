"""What there is in the demo shop: as its webhooks told it, page by page, to whom may see it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from infra.demo_shop.stream import Plan, deliveries
from tests.demo_shop.admin_graphql import Api
from tests.demo_shop.samples import order, product, refund


async def test_the_shop_and_the_app_in_it(api: Api) -> None:
    api.log_in("read_orders", "write_discounts")
    api.shop.currency, api.shop.time_zone = "EUR", "Europe/Berlin"
    said = await api.data(
        """{ shop { myshopifyDomain currencyCode ianaTimezone primaryDomain { host } }
          currentAppInstallation { accessScopes { handle } } }"""
    )
    assert said["shop"] == {
        "myshopifyDomain": "one.myshopify.com",
        "currencyCode": "EUR",
        "ianaTimezone": "Europe/Berlin",
        "primaryDomain": {"host": "one.myshopify.com"},
    }
    handles = [each["handle"] for each in said["currentAppInstallation"]["accessScopes"]]
    assert handles == ["read_discounts", "read_orders", "write_discounts"]


async def test_an_order_is_what_its_webhook_said(api: Api) -> None:
    api.shop.hear("products/create", product(11))
    api.shop.hear(
        "orders/create",
        order(
            1,
            customer=7,
            lines=2,
            discount_codes=[{"code": "LOY-1", "amount": "4.00", "type": "fixed_amount"}],
            total_discounts="4.00",
            tags="a, b",
        )
        | {
            "line_items": [
                {
                    "id": 100,
                    "product_id": 11,
                    "variant_id": 110,
                    "title": "Thing",
                    "quantity": 3,
                    "price": "10.00",
                    "discount_allocations": [{"amount": "4.00", "discount_application_index": 0}],
                }
            ]
        },
    )
    api.shop.hear("refunds/create", refund(5, order_id=1))
    said = await api.data(
        """query one($id: ID!) { order(id: $id) {
          name test sourceName createdAt displayFinancialStatus displayFulfillmentStatus tags
          discountCodes customer { id email } presentmentCurrencyCode cancelledAt cancelReason
          totalPriceSet { shopMoney { amount currencyCode }
            presentmentMoney { amount currencyCode } }
          currentTotalPriceSet { presentmentMoney { amount } }
          totalDiscountsSet { shopMoney { amount } }
          totalShippingPriceSet { shopMoney { amount } }
          totalRefundedSet { shopMoney { amount } }
          lineItems(first: 5) { nodes { id quantity currentQuantity isGiftCard
            originalUnitPriceSet { shopMoney { amount } }
            discountedTotalSet { shopMoney { amount } }
            product { id } variant { sku }
            discountAllocations { allocatedAmountSet { presentmentMoney { amount } }
              discountApplication { ... on DiscountCodeApplication { code } } } } }
          refunds(first: 5) { id totalRefundedSet { shopMoney { amount } }
            refundLineItems(first: 5) { nodes { quantity lineItem { id } restockType
              subtotalSet { shopMoney { amount } } } } }
        } }""",
        id="gid://shopify/Order/1",
    )
    assert said["order"] == {
        "name": "#1",
        "test": False,
        "sourceName": "web",
        "createdAt": "2026-11-20T13:00:00Z",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "tags": ["a", "b"],
        "discountCodes": ["LOY-1"],
        "customer": {"id": "gid://shopify/Customer/7", "email": "c7@example.com"},
        "presentmentCurrencyCode": "EUR",
        "cancelledAt": None,
        "cancelReason": None,
        "totalPriceSet": {
            "shopMoney": {"amount": "25.0", "currencyCode": "USD"},
            "presentmentMoney": {"amount": "22.0", "currencyCode": "EUR"},
        },
        "currentTotalPriceSet": {"presentmentMoney": {"amount": "22.0"}},
        "totalDiscountsSet": {"shopMoney": {"amount": "4.0"}},
        "totalShippingPriceSet": {"shopMoney": {"amount": "5.0"}},
        "totalRefundedSet": {"shopMoney": {"amount": "10.0"}},
        "lineItems": {
            "nodes": [
                {
                    "id": "gid://shopify/LineItem/100",
                    "quantity": 3,
                    "currentQuantity": 2,
                    "isGiftCard": False,
                    "originalUnitPriceSet": {"shopMoney": {"amount": "10.0"}},
                    "discountedTotalSet": {"shopMoney": {"amount": "26.0"}},
                    "product": {"id": "gid://shopify/Product/11"},
                    "variant": {"sku": "T"},
                    "discountAllocations": [
                        {
                            "allocatedAmountSet": {"presentmentMoney": {"amount": "3.52"}},
                            "discountApplication": {"code": "LOY-1"},
                        }
                    ],
                }
            ]
        },
        "refunds": [
            {
                "id": "gid://shopify/Refund/5",
                "totalRefundedSet": {"shopMoney": {"amount": "10.0"}},
                "refundLineItems": {
                    "nodes": [
                        {
                            "quantity": 1,
                            "lineItem": {"id": "gid://shopify/LineItem/100"},
                            "restockType": "RETURN",
                            "subtotalSet": {"shopMoney": {"amount": "10.0"}},
                        }
                    ]
                },
            }
        ],
    }


async def test_an_older_webhook_changes_nothing_and_a_guest_is_nobody(api: Api) -> None:
    api.shop.hear("orders/paid", order(1, updated_at="2026-11-20T09:00:00-05:00"))
    api.shop.hear("orders/create", order(1, financial_status="pending"))
    said = await api.data(
        '{ order(id: "gid://shopify/Order/1") { displayFinancialStatus customer { id } } }'
    )
    assert said["order"] == {"displayFinancialStatus": "PAID", "customer": None}


async def test_a_customer_is_found_and_what_they_bought(api: Api) -> None:
    api.shop.add_customer(7, email="Seven@example.com", phone="+15552000101", tags="vip")
    api.shop.hear("orders/create", order(1, customer=7))
    api.shop.hear("orders/create", order(2, customer=7, created_at="2026-11-21T08:00:00-05:00"))
    api.shop.hear("orders/create", order(3, customer=7, test=True))
    api.shop.hear("refunds/create", refund(5, order_id=1))
    find = """query find($who: CustomerIdentifierInput!) { customerByIdentifier(identifier: $who) {
      id tags numberOfOrders amountSpent { amount } lastOrder { name }
      defaultEmailAddress { emailAddress } orders(first: 2) { nodes { name } } } }"""
    said = await api.data(find, who={"emailAddress": "seven@EXAMPLE.com"})
    assert said["customerByIdentifier"] == {
        "id": "gid://shopify/Customer/7",
        "tags": ["vip"],
        "numberOfOrders": "3",
        "amountSpent": {"amount": "20.0"},
        "lastOrder": {"name": "#2"},
        "defaultEmailAddress": {"emailAddress": "Seven@example.com"},
        "orders": {"nodes": [{"name": "#1"}, {"name": "#2"}]},
    }
    for who in ({"phoneNumber": "+15552000101"}, {"id": "gid://shopify/Customer/7"}):
        assert (await api.data(find, who=who))["customerByIdentifier"]["tags"] == ["vip"]
    assert (await api.data(find, who={"emailAddress": "x@y.z"}))["customerByIdentifier"] is None
    nodes = await api.data(
        """{ node(id: "gid://shopify/Customer/7") { ... on Customer { email } }
          nodes(ids: ["gid://shopify/Order/3", "gid://shopify/Order/9"]) { id }
          customersCount { count } refund(id: "gid://shopify/Refund/5") { order { name } } }"""
    )
    assert nodes == {
        "node": {"email": "Seven@example.com"},
        "nodes": [{"id": "gid://shopify/Order/3"}, None],
        "customersCount": {"count": 1},
        "refund": {"order": {"name": "#1"}},
    }


async def test_products_are_in_collections(api: Api) -> None:
    for number in (11, 12):
        api.shop.hear("products/create", product(number, product_type="Mugs", tags="new, blue"))
    mugs = api.shop.add_collection("All Mugs", [12])
    said = await api.data(
        """query all($in: ID!) { products(first: 5, query: "tag:blue") { nodes {
          handle tags inCollection(id: $in) collections(first: 5) { nodes { title } }
          priceRangeV2 { minVariantPrice { amount } } variants(first: 5) { nodes { price } } } }
          collection(id: $in) { handle productsCount { count }
            products(first: 5) { nodes { id } } } }""",
        **{"in": f"gid://shopify/Collection/{mugs.number}"},
    )
    one, two = said["products"]["nodes"]
    assert (one["inCollection"], one["collections"]) == (False, {"nodes": []})
    assert two == {
        "handle": "thing-12",
        "tags": ["new", "blue"],
        "inCollection": True,
        "collections": {"nodes": [{"title": "All Mugs"}]},
        "priceRangeV2": {"minVariantPrice": {"amount": "12.5"}},
        "variants": {"nodes": [{"price": "12.5"}]},
    }
    assert said["collection"] == {
        "handle": "all-mugs",
        "productsCount": {"count": 1},
        "products": {"nodes": [{"id": "gid://shopify/Product/12"}]},
    }
    api.shop.hear("products/delete", {"id": 12})
    assert (await api.data("{ productsCount { count } }"))["productsCount"] == {"count": 1}


PAGES = """query page($first: Int, $last: Int, $after: String, $before: String, $back: Boolean) {
  orders(first: $first, last: $last, after: $after, before: $before, reverse: $back,
    sortKey: UPDATED_AT) {
    edges { cursor node { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def names(api: Api, **asked: Any) -> tuple[list[str], dict[str, Any]]:
    page = (await api.data(PAGES, **asked))["orders"]
    return [each["node"]["name"] for each in page["edges"]], page["pageInfo"]


async def test_pages_follow_each_other_while_orders_change(api: Api) -> None:
    def told(number: int, minute: int) -> None:
        at = f"2026-11-20T08:{minute:02}:00-05:00"
        api.shop.hear("orders/updated", order(number, updated_at=at))

    for number in range(1, 6):
        told(number, number % 3)  # some at the same moment
    first, info = await names(api, first=2)
    assert first == ["#3", "#1"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)
    told(3, 30)  # what was seen already moves to the end, and is seen again
    second, info = await names(api, first=2, after=info["endCursor"])
    assert second == ["#4", "#2"]
    third, info = await names(api, first=2, after=info["endCursor"])
    assert (third, info["hasNextPage"]) == (["#5", "#3"], False)
    assert (await names(api, last=2, before=info["startCursor"]))[0] == ["#4", "#2"]
    assert (await names(api, first=3, back=True))[0] == ["#3", "#5", "#2"]
    empty, info = await names(api, first=0)
    assert (empty, info["endCursor"]) == ([], None)
    assert (await api.refusal(PAGES, first=1, after="!"))[0] == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("updated_at:>='2026-11-20T14:00:00Z'", ["#2", "#3"]),
        ("updated_at:>2026-11-20T14:00:00Z AND updated_at:<'2026-11-20T16:00:00Z'", ["#3"]),
        ("customer_id:7", ["#1", "#3"]),
        ("-customer_id:7 test:false", ["#2"]),
        ("financial_status:PAID name:#2", ["#2"]),
        ("discount_code:LOY*", ["#3"]),
        ("id:>1", ["#2", "#3"]),
        ("", ["#1", "#2", "#3"]),
    ],
)
async def test_orders_are_searched(api: Api, query: str, found: list[str]) -> None:
    code = [{"code": "loy-1", "amount": "1.00", "type": "fixed_amount"}]
    for number, (customer, codes) in enumerate(((7, []), (None, []), (7, code)), start=1):
        at = f"2026-11-20T{7 + number:02}:{number}0:00-05:00"
        api.shop.hear("orders/create", order(number, customer, updated_at=at, discount_codes=codes))
    api.shop.orders["2"]["updated_at"] = "2026-11-20T14:00:00Z"
    asked = "query search($query: String) { orders(first: 9, query: $query) { nodes { name } } }"
    nodes = (await api.data(asked, query=query))["orders"]["nodes"]
    assert [each["name"] for each in nodes] == found


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{ customers(first: 1) { nodes { market { id } } } }", "Customer.market"),
        ("{ app { id } }", "QueryRoot.app"),
        ('{ orders(first: 1, query: "channel:x") { nodes { id } } }', "search for 'channel:x'"),
        (
            "{ orders(first: 1, sortKey: DESTINATION) { nodes { id } } }",
            "sort Order by DESTINATION",
        ),
        ('{ node(id: "gid://shopify/Blog/1") { id } }', "a node of the type Blog"),
    ],
)
async def test_what_the_demo_shop_does_not_know_it_says(
    api: Api, document: str, words: str
) -> None:
    api.shop.add_customer(7)
    code, message = await api.refusal(document)
    assert code == "DEMO_SHOP_DOES_NOT_KNOW"
    assert words in message


@pytest.mark.parametrize(
    ("document", "field", "scope"),
    [
        ("{ customers(first: 1) { nodes { id } } }", "customers", "read_customers"),
        ("{ orders(first: 1) { nodes { customer { id } } } }", "customer", "read_customers"),
        ('{ node(id: "gid://shopify/Customer/7") { id } }', "node", "read_customers"),
        ("{ giftCards(first: 1) { nodes { id } } }", "giftCards", "read_gift_cards"),
        ("{ products(first: 1) { nodes { id } } }", "products", "read_products"),
        (
            '{ codeDiscountNodeByCode(code: "x") { id } }',
            "codeDiscountNodeByCode",
            "read_discounts",
        ),
    ],
)
async def test_nobody_sees_what_they_have_no_scope_for(
    api: Api, document: str, field: str, scope: str
) -> None:
    api.shop.hear("orders/create", order(1, customer=7))
    api.log_in("read_orders")
    (error,) = (await api.ask(document))["errors"]
    assert error["message"].startswith(f"Access denied for {field} field.")
    assert scope in error["message"]
    assert error["extensions"]["code"] == "ACCESS_DENIED"


async def test_the_api_and_the_webhooks_tell_the_same(api: Api) -> None:
    """Of a made-up shop: what customers spent, as the webhooks' sum and as the API has it."""
    plan = Plan(seed=4, run="same", orders=120, customers=30, now=api.now, span=timedelta(days=300))
    told = deliveries(plan)
    api.shop.hear_all(told, msgspec.json.decode)
    newest: dict[int, dict[str, Any]] = {}
    gone: dict[int, dict[int, Decimal]] = {}
    for each in told:
        body = msgspec.json.decode(each.body)
        if each.topic == "refunds/create":
            lines = (
                Decimal(line["subtotal_set"]["shop_money"]["amount"])
                for line in body["refund_line_items"]
            )
            gone.setdefault(body["order_id"], {})[body["id"]] = sum(lines, Decimal(0))
        elif each.topic.startswith("orders/"):
            known = newest.get(body["id"])
            if known is None or known["updated_at"] <= body["updated_at"]:
                newest[body["id"]] = body
    seen: dict[str, dict[str, Any]] = {}
    after = None
    while True:
        page = (
            await api.data(
                """query all($after: String) { orders(first: 50, after: $after) { nodes {
                  legacyResourceId test cancelledAt displayFinancialStatus
                  totalPriceSet { shopMoney { amount } } totalRefundedSet { shopMoney { amount } }
                  customer { id } } pageInfo { endCursor hasNextPage } } }""",
                after=after,
            )
        )["orders"]
        seen |= {each["legacyResourceId"]: each for each in page["nodes"]}
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        api.later(seconds=20)
    assert set(seen) == {str(each) for each in newest}
    for number, body in newest.items():
        there = seen[str(number)]
        assert Decimal(there["totalPriceSet"]["shopMoney"]["amount"]) == Decimal(
            body["total_price"]
        )
        back = sum(gone.get(number, {}).values(), Decimal(0))
        assert Decimal(there["totalRefundedSet"]["shopMoney"]["amount"]) == back
        assert there["displayFinancialStatus"] == body["financial_status"].upper()
        assert (there["cancelledAt"] is None) == (body["cancelled_at"] is None)
        assert (there["customer"] is None) == (body["customer"] is None)
