"""Where documents start: all that can be asked for, and all that can be done."""

from typing import Final

from infra.demo_shop.admin.api.bulk import BULK_MUTATIONS, BULK_QUERIES
from infra.demo_shop.admin.api.catalogue import CATALOGUE_QUERIES
from infra.demo_shop.admin.api.credit import CREDIT_MUTATIONS
from infra.demo_shop.admin.api.customers import CUSTOMER_QUERIES
from infra.demo_shop.admin.api.discounts import DISCOUNT_MUTATIONS, DISCOUNT_QUERIES
from infra.demo_shop.admin.api.gift_cards import GIFT_CARD_MUTATIONS, GIFT_CARD_QUERIES
from infra.demo_shop.admin.api.metafields import METAFIELD_MUTATIONS
from infra.demo_shop.admin.api.nodes import NODE_QUERIES
from infra.demo_shop.admin.api.orders import ORDER_QUERIES
from infra.demo_shop.admin.api.shop_details import SHOP_QUERIES
from infra.demo_shop.admin.api.subscriptions import (
    SUBSCRIPTION_MUTATIONS,
    SUBSCRIPTION_QUERIES,
)
from infra.demo_shop.admin.api.views import View

QUERIES: Final = View(
    "QueryRoot",
    {
        **SHOP_QUERIES,
        **CUSTOMER_QUERIES,
        **ORDER_QUERIES,
        **CATALOGUE_QUERIES,
        **DISCOUNT_QUERIES,
        **GIFT_CARD_QUERIES,
        **SUBSCRIPTION_QUERIES,
        **BULK_QUERIES,
        **NODE_QUERIES,
    },
)
MUTATIONS: Final = View(
    "Mutation",
    {
        **DISCOUNT_MUTATIONS,
        **GIFT_CARD_MUTATIONS,
        **CREDIT_MUTATIONS,
        **METAFIELD_MUTATIONS,
        **SUBSCRIPTION_MUTATIONS,
        **BULK_MUTATIONS,
    },
)
