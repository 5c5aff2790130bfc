"""Shopify's JSON, as far as we read it: unknown fields are skipped, most known ones may be missing.

Amounts are strings here and become numbers in ``adapters.shopify.values``; the ``*_set`` fields
hold an amount in shop and presentment currency, of which only the first is ever named.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""Ids exceed 2⁵³, so they are never read as floats, here or in a browser."""

Instant = Annotated[datetime, Meta(tz=True)]
Quantity = Annotated[int, Meta(ge=0, le=1_000_000)]


class ShopMoney(msgspec.Struct, frozen=True, kw_only=True):
    amount: str
    currency_code: str | None = None


class MoneySet(msgspec.Struct, frozen=True, kw_only=True):
    shop_money: ShopMoney


class Discount(msgspec.Struct, frozen=True, kw_only=True):
    amount: str | None = None
    amount_set: MoneySet | None = None


class DiscountCode(msgspec.Struct, frozen=True, kw_only=True):
    code: str | None = None


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    product_id: Id | None = None
    quantity: Quantity
    price: str | None = None
    price_set: MoneySet | None = None
    gift_card: bool | None = None
    discount_allocations: list[Discount] | None = None


class ShippingLine(msgspec.Struct, frozen=True, kw_only=True):
    price: str | None = None
    price_set: MoneySet | None = None


class RefundedOrderLine(msgspec.Struct, frozen=True, kw_only=True):
    gift_card: bool | None = None


class RefundLine(msgspec.Struct, frozen=True, kw_only=True):
    """``subtotal`` exists beside the set, as a float, and is not read for that reason."""

    line_item_id: Id | None = None
    subtotal_set: MoneySet
    line_item: RefundedOrderLine | None = None


class RefundAdjustment(msgspec.Struct, frozen=True, kw_only=True):
    kind: str | None = None
    amount: str | None = None
    amount_set: MoneySet | None = None


class RefundTransaction(msgspec.Struct, frozen=True, kw_only=True):
    kind: str | None = None
    status: str | None = None
    amount_set: MoneySet | None = None


class RefundPayload(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    order_id: Id | None = None
    created_at: Instant | None = None
    processed_at: Instant | None = None
    refund_line_items: list[RefundLine] | None = None
    order_adjustments: list[RefundAdjustment] | None = None
    transactions: list[RefundTransaction] | None = None


class CustomerOfOrder(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    verified_email: bool | None = None


class OrderPayload(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    name: str | None = None
    currency: str
    test: bool | None = None
    source_name: str | None = None
    source_identifier: str | None = None
    checkout_token: str | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    created_at: Instant
    updated_at: Instant | None = None
    processed_at: Instant | None = None
    cancelled_at: Instant | None = None
    taxes_included: bool | None = None
    email: str | None = None
    phone: str | None = None
    subtotal_price: str | None = None
    subtotal_price_set: MoneySet | None = None
    total_tax: str | None = None
    total_tax_set: MoneySet | None = None
    total_price: str | None = None
    total_price_set: MoneySet | None = None
    total_shipping_price_set: MoneySet | None = None
    customer: CustomerOfOrder | None = None
    discount_codes: list[DiscountCode] | None = None
    line_items: list[OrderLine] | None = None
    shipping_lines: list[ShippingLine] | None = None
    refunds: list[RefundPayload] | None = None


class CustomerPayload(CustomerOfOrder, frozen=True, kw_only=True):
    created_at: Instant
    updated_at: Instant | None = None
    locale: str | None = None


class CustomerDeletion(msgspec.Struct, frozen=True, kw_only=True):
    id: Id


class CustomerMerging(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is requested, in_progress, completed or failed. What ``errors`` would say names
    people, and is not read."""

    admin_graphql_api_customer_kept_id: str
    admin_graphql_api_customer_deleted_id: str
    status: str


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    price: str | None = None


class Image(msgspec.Struct, frozen=True, kw_only=True):
    src: str | None = None


class ProductPayload(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    title: str
    handle: str | None = None
    vendor: str | None = None
    product_type: str | None = None
    tags: str | list[str] | None = None  # one text with commas, or already a list
    status: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    variants: list[Variant] | None = None
    image: Image | None = None
    images: list[Image] | None = None


class ProductDeletion(msgspec.Struct, frozen=True, kw_only=True):
    id: Id


class CollectionPayload(msgspec.Struct, frozen=True, kw_only=True):
    """Of its change or its end; what is in it, neither tells."""

    id: Id


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    myshopify_domain: str | None = None
    domain: str | None = None


class ScopesPayload(msgspec.Struct, frozen=True, kw_only=True):
    current: list[str]
    updated_at: Instant | None = None


class PrivacyCustomer(msgspec.Struct, frozen=True, kw_only=True):
    id: Id


class DataRequest(msgspec.Struct, frozen=True, kw_only=True):
    id: Id


class DataRequestPayload(msgspec.Struct, frozen=True, kw_only=True):
    customer: PrivacyCustomer
    data_request: DataRequest
    orders_requested: list[Id] | None = None


class CustomerRedaction(msgspec.Struct, frozen=True, kw_only=True):
    customer: PrivacyCustomer
    orders_to_redact: list[Id] | None = None


class ShopRedaction(msgspec.Struct, frozen=True, kw_only=True):
    shop_id: Id
