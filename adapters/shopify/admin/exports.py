"""Questions about what a shop had before: the queries of its exports, the shapes of their lines,
and a refund, which is nested too deep for them."""

from datetime import UTC, datetime
from typing import Final

from adapters.shopify.admin.documents import Answer, Question
from adapters.shopify.payloads import Instant
from ports.imports import Phase

EXPORTS: Final = {
    Phase.CUSTOMERS: """{
  customers(query: "%s") {
    edges {
      node {
        id
        createdAt
        updatedAt
        locale
        firstName
        lastName
        verifiedEmail
        defaultEmailAddress { emailAddress }
        defaultPhoneNumber { phoneNumber }
      }
    }
  }
}""",
    Phase.ORDERS: """{
  orders(query: "%s") {
    edges {
      node {
        id
        name
        currencyCode
        test
        sourceName
        displayFinancialStatus
        displayFulfillmentStatus
        createdAt
        updatedAt
        processedAt
        cancelledAt
        taxesIncluded
        email
        phone
        discountCodes
        subtotalPriceSet { shopMoney { amount } }
        totalTaxSet { shopMoney { amount } }
        totalPriceSet { shopMoney { amount } }
        totalShippingPriceSet { shopMoney { amount } }
        customer {
          id
          firstName
          lastName
          verifiedEmail
          defaultEmailAddress { emailAddress }
          defaultPhoneNumber { phoneNumber }
        }
        refunds { id }
        lineItems {
          edges {
            node {
              id
              quantity
              isGiftCard
              product { id }
              originalUnitPriceSet { shopMoney { amount } }
              discountAllocations { allocatedAmountSet { shopMoney { amount } } }
            }
          }
        }
      }
    }
  }
}""",
}
"""What is exported, with a place for what to search for. Orders of more than 60 days ago are only
among it where Shopify has granted ``read_all_orders``."""


def export_of(phase: Phase, since: datetime | None) -> str:
    if since is None:
        return EXPORTS[phase] % ""
    return EXPORTS[phase] % f"updated_at:>='{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


class Amount(Answer, frozen=True):
    amount: str


class Money(Answer, frozen=True):
    shop_money: Amount


class Email(Answer, frozen=True):
    email_address: str


class Phone(Answer, frozen=True):
    phone_number: str


class Thing(Answer, frozen=True):
    id: str


class Buyer(Answer, frozen=True):
    id: str
    first_name: str | None = None
    last_name: str | None = None
    verified_email: bool = False
    default_email_address: Email | None = None
    default_phone_number: Phone | None = None


class Customer(Buyer, frozen=True, kw_only=True):
    created_at: Instant
    updated_at: Instant
    locale: str | None = None


class Order(Answer, frozen=True, kw_only=True):
    id: str
    name: str
    currency_code: str
    test: bool
    source_name: str | None = None
    display_financial_status: str | None = None
    display_fulfillment_status: str
    created_at: Instant
    updated_at: Instant
    processed_at: Instant
    cancelled_at: Instant | None = None
    taxes_included: bool
    email: str | None = None
    phone: str | None = None
    discount_codes: list[str]
    subtotal_price_set: Money | None = None
    total_tax_set: Money | None = None
    total_price_set: Money
    total_shipping_price_set: Money
    customer: Buyer | None = None
    refunds: list[Thing]


class Allocation(Answer, frozen=True):
    allocated_amount_set: Money


class Item(Answer, frozen=True, kw_only=True):
    id: str
    quantity: int
    is_gift_card: bool
    product: Thing | None = None
    original_unit_price_set: Money
    discount_allocations: list[Allocation]


class SoldItem(Answer, frozen=True):
    id: str
    is_gift_card: bool


class ReturnedItem(Answer, frozen=True):
    subtotal_set: Money
    line_item: SoldItem


class PageInfo(Answer, frozen=True):
    has_next_page: bool
    end_cursor: str | None = None


class ReturnedItems(Answer, frozen=True):
    nodes: list[ReturnedItem]
    page_info: PageInfo


class Adjustment(Answer, frozen=True):
    """``reason`` is null for one that is about shipping."""

    amount_set: Money
    reason: str | None = None


class Adjustments(Answer, frozen=True):
    nodes: list[Adjustment]


class Transaction(Answer, frozen=True):
    kind: str
    status: str
    amount_set: Money


class Transactions(Answer, frozen=True):
    nodes: list[Transaction]


class Refund(Answer, frozen=True, kw_only=True):
    id: str
    created_at: Instant | None = None
    processed_at: Instant
    refund_line_items: ReturnedItems
    order_adjustments: Adjustments
    transactions: Transactions


class RefundFound(Answer, frozen=True):
    refund: Refund | None


REFUND: Final = Question(
    """query Refund($id: ID!, $after: String) {
  refund(id: $id) {
    id
    createdAt
    processedAt
    refundLineItems(first: 100, after: $after) {
      nodes { subtotalSet { shopMoney { amount } } lineItem { id isGiftCard } }
      pageInfo { hasNextPage endCursor }
    }
    orderAdjustments(first: 25) { nodes { reason amountSet { shopMoney { amount } } } }
    transactions(first: 25) { nodes { kind status amountSet { shopMoney { amount } } } }
  }
}""",
    RefundFound,
    500,
)
