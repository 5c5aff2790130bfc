"""Everything that has an id: asked for by it, in a query of its own or as any ``node``."""

from collections.abc import Mapping
from typing import Final

from infra.demo_shop.admin.api.bulk import BULK_OPERATIONS
from infra.demo_shop.admin.api.catalogue import COLLECTIONS, PRODUCTS, VARIANTS
from infra.demo_shop.admin.api.credit import CREDIT_ACCOUNTS
from infra.demo_shop.admin.api.customers import CUSTOMERS
from infra.demo_shop.admin.api.discounts import CODE_DISCOUNTS, DISCOUNTS
from infra.demo_shop.admin.api.gift_cards import GIFT_CARDS
from infra.demo_shop.admin.api.ids import number_in, split
from infra.demo_shop.admin.api.metafields import METAFIELDS
from infra.demo_shop.admin.api.orders import ORDERS
from infra.demo_shop.admin.api.pages import Listing
from infra.demo_shop.admin.api.refusals import unknown
from infra.demo_shop.admin.api.subscriptions import SUBSCRIPTIONS
from infra.demo_shop.admin.api.views import Arguments, Ask, Resolver, View

KINDS: Final[Mapping[str, Listing]] = {
    kind.type: kind
    for kind in (
        BULK_OPERATIONS,
        CODE_DISCOUNTS,
        COLLECTIONS,
        CREDIT_ACCOUNTS,
        CUSTOMERS,
        DISCOUNTS,
        GIFT_CARDS,
        METAFIELDS,
        ORDERS,
        PRODUCTS,
        SUBSCRIPTIONS,
        VARIANTS,
    )
}
_OWN_QUERIES: Final = {
    "bulkOperation": "BulkOperation",
    "codeDiscountNode": "DiscountCodeNode",
    "collection": "Collection",
    "customer": "Customer",
    "discountNode": "DiscountNode",
    "giftCard": "GiftCard",
    "order": "Order",
    "product": "Product",
    "productVariant": "ProductVariant",
    "storeCreditAccount": "StoreCreditAccount",
    "webhookSubscription": "WebhookSubscription",
}
_SAME: Final = {"DiscountNode": "DiscountCodeNode", "DiscountCodeNode": "DiscountNode"}
"""One discount has an id of each of these, with one number."""


def _own(type_name: str) -> Resolver:
    taken = (type_name, _SAME.get(type_name, type_name))
    return lambda ask, args: ask.node(type_name, number_in(args["id"], *taken))


def _node(ask: Ask, args: Arguments) -> View | None:
    return _any(ask, args["id"])


def _nodes(ask: Ask, args: Arguments) -> list[View | None]:
    return [_any(ask, each) for each in args["ids"]]


def _any(ask: Ask, given: object) -> View | None:
    type_name, number = split(given)
    if type_name not in ask.kinds:
        raise unknown(f"a node of the type {type_name}")
    return ask.node(type_name, number)


NODE_QUERIES: Final[dict[str, Resolver]] = {
    **{query: _own(type_name) for query, type_name in _OWN_QUERIES.items()},
    "node": _node,
    "nodes": _nodes,
}
