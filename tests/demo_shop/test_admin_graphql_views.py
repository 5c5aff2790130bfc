"""All that the demo shop knows of anything is asked for, and is what the schema promises."""

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLNonNull, GraphQLObjectType

from infra.demo_shop.admin.api.checkout import place_order
from infra.demo_shop.admin.api.nodes import KINDS
from infra.demo_shop.admin.api.roots import MUTATIONS, QUERIES
from infra.demo_shop.admin.api.views import Ask, View
from infra.demo_shop.admin.schema import admin_schema
from infra.demo_shop.admin.scopes import KNOWN_SCOPES
from tests.demo_shop.admin_graphql import Api, new_api
from tests.demo_shop.samples import order, product, refund

MAKE = """mutation all($basic: DiscountCodeBasicInput!, $ship: DiscountCodeFreeShippingInput!,
    $bxgy: DiscountCodeBxgyInput!, $meta: [MetafieldsSetInput!]!) {
  discountCodeBasicCreate(basicCodeDiscount: $basic) { userErrors { message } }
  discountCodeFreeShippingCreate(freeShippingCodeDiscount: $ship) { userErrors { message } }
  discountCodeBxgyCreate(bxgyCodeDiscount: $bxgy) { userErrors { message } }
  giftCardCreate(input: {initialValue: 5, customerId: "gid://shopify/Customer/7"}) {
    userErrors { message } }
  storeCreditAccountCredit(id: "gid://shopify/Customer/7",
    creditInput: {creditAmount: {amount: 2, currencyCode: USD}}) { userErrors { message } }
  storeCreditAccountDebit(id: "gid://shopify/Customer/7",
    debitInput: {debitAmount: {amount: 1, currencyCode: USD}}) { userErrors { message } }
  metafieldsSet(metafields: $meta) { userErrors { message } }
  webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: {uri: "https://a.b"}) {
    userErrors { message } }
  bulkOperationRunQuery(query: "{ orders { nodes { id } } }", groupObjects: false) {
    userErrors { message } }
}"""


async def filled(api: Api) -> None:
    """One of everything."""
    shop = api.shop
    for number in (11, 12):
        shop.hear("products/create", product(number, images=[{"id": 1, "src": "https://x/y.jpg"}]))
    collection = shop.add_collection("All", [11, 12])
    shop.add_customer(7, phone="+15552000101", default_address={"city": "Berlin"})
    shop.hear("orders/create", order(1, customer=7, lines=2))
    money = {"shop_money": {"amount": "1.00"}, "presentment_money": {"amount": "0.90"}}
    shop.hear(
        "refunds/create",
        refund(
            5,
            order_id=1,
            order_adjustments=[{"id": 3, "amount_set": money, "tax_amount_set": money}],
            transactions=[{"id": 4, "kind": "refund", "status": "success", "amount_set": money}],
        ),
    )
    items = {"collections": {"add": [f"gid://shopify/Collection/{collection.number}"]}}
    only = {"products": {"productsToAdd": ["gid://shopify/Product/11"]}}
    free = {"discountOnQuantity": {"quantity": "1", "effect": {"percentage": 1.0}}}
    common = {"title": "x", "startsAt": api.now.isoformat()}
    for_seven = {"customers": {"add": ["gid://shopify/Customer/7"]}}
    least = {"subtotal": {"greaterThanOrEqualToSubtotal": "1"}}
    made = await api.data(
        MAKE,
        basic=common
        | {
            "code": "A",
            "context": for_seven,
            "minimumRequirement": least,
            "customerGets": {"items": items, "value": {"percentage": 0.1}},
        },
        ship=common | {"code": "B", "destination": {"all": True}, "maximumShippingPrice": "9"},
        bxgy=common
        | {
            "code": "C",
            "customerBuys": {"items": only, "value": {"quantity": "1"}},
            "customerGets": {"items": only, "value": free},
        },
        meta=[
            {
                "ownerId": "gid://shopify/Customer/7",
                "namespace": "$app",
                "key": "json",
                "type": "json",
                "value": '{"points": 5}',
            }
        ],
    )
    assert [each["userErrors"] for each in made.values()] == [[]] * 9
    place_order(shop, [(11, 2)], customer=7, code="A")


def selection(view: View, ask: Ask, depth: int) -> str:
    """A selection of all that the view has, as deep as that."""
    parts = ["__typename"]
    type_ = admin_schema().type_map[view.type]
    assert isinstance(type_, GraphQLObjectType), view.type
    for name, value in view.fields.items():
        assert name in type_.fields, f"{view.type}.{name}"
        arguments = type_.fields[name].args
        if any(isinstance(each.type, GraphQLNonNull) for each in arguments.values()):
            continue  # metafield(key:), inCollection(id:), … are asked for elsewhere
        paged = "(first: 2)" if "first" in arguments else ""
        answered = value(ask, {"first": 2} if paged else {}) if callable(value) else value
        inner = next(views_in(answered), None)
        if inner is None:
            if leaf(type_, name):
                parts.append(f"{name}{paged}")
        elif depth:
            asked = f"... on {inner.type} {{ {selection(inner, ask, depth - 1)} }}"
            parts.append(f"{view.type}_{name}: {name}{paged} {{ {asked} }}")
    return " ".join(parts)


def leaf(type_: GraphQLObjectType | GraphQLInterfaceType, name: str) -> bool:
    answered = admin_schema().type_map[str(type_.fields[name].type).strip("[]!")]
    return not hasattr(answered, "fields") and not hasattr(answered, "types")


def views_in(answered: Any) -> Iterator[View]:
    several = answered if isinstance(answered, list) else [answered]
    yield from (each for each in several if isinstance(each, View))


async def test_all_that_is_known_is_what_the_schema_promises() -> None:
    api = new_api()
    await filled(api)
    shop = api.shop
    things: dict[str, Iterable[str]] = {
        "BulkOperation": shop.bulk,
        "Collection": shop.collections,
        "Customer": shop.customers,
        "DiscountCodeNode": shop.discounts,
        "DiscountNode": shop.discounts,
        "GiftCard": shop.gift_cards,
        "Metafield": shop.metafields,
        "Order": shop.orders,
        "Product": shop.products,
        "ProductVariant": ["110"],
        "StoreCreditAccount": shop.credit,
        "WebhookSubscription": shop.subscriptions,
    }
    assert set(things) == set(KINDS)
    ask = Ask(shop, KNOWN_SCOPES, api.now, KINDS, QUERIES, "http://admin.test", "client")
    documents = []
    for type_name, numbers in things.items():
        for number in numbers:
            view = ask.node(type_name, number)
            assert view is not None
            asked = selection(view, ask, depth=4)
            found = f'node(id: "gid://shopify/{type_name}/{number}")'
            documents.append(f"{{ {found} {{ ... on {type_name} {{ {asked} }} }} }}")
    for root in (QUERIES, MUTATIONS):
        type_ = admin_schema().type_map[root.type]
        assert isinstance(type_, GraphQLObjectType)
        assert set(root.fields) <= set(type_.fields)
    documents += [
        f"{{ {name} {{ {selection(next(views_in(QUERIES.fields[name](ask, {}))), ask, 2)} }} }}"
        for name in ("shop", "currentAppInstallation", "currentBulkOperation")
    ]
    for document in documents:
        shop.bucket.give_back(1_000)
        api.later(seconds=2)
        answer = await api.ask(document)
        assert "errors" not in answer, (document, answer["errors"])
    await api.http.aclose()
