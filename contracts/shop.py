"""What a shop tells us: Shopify's webhooks in our own words; only the edge knows Shopify's JSON.

Personal data is sealed for the merchant (``sealed_*``) or a blind index, nothing else.
Amounts are in the shop's own currency, whatever the customer paid in.
"""

from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid5

from contracts.kit import Body, Contracts, Event, Instant, Webhook


def member_id(merchant_id: UUID, shopify_customer_id: str) -> UUID:
    """The id every service knows a shop's customer by.

    Name-based (RFC 9562, version 5), so that each service arrives at it alone, whichever webhook
    comes first.
    """
    return uuid5(merchant_id, f"customer:{shopify_customer_id}")


def digest_of_checkout(token: str) -> str:
    """What stands for the token of a checkout, with which its customer could be looked at; 32 hex
    digits, empty for none."""
    return sha256(token.encode()).hexdigest()[:32] if token else ""


def whose(bodies: Sequence[Body]) -> Sequence[UUID | str] | None:
    """By body the member whom it concerns; for what is about an order of which none of them names
    the member, the order. None if one of them is not about a member, but about all of the shop."""
    members: dict[str, UUID] = {}
    for body in bodies:
        if (customer := getattr(body, "customer", None)) is not None:
            members[body.order_id] = customer.customer_id  # type: ignore[attr-defined]
    concerned: list[UUID | str] = []
    for body in bodies:
        order_id = getattr(body, "order_id", None)
        who = (
            getattr(body, "customer_id", None)
            if order_id is None
            else members.get(order_id, order_id)
        )
        if who is None:
            return None
        concerned.append(who)
    return concerned


class OrderCustomer(Body, frozen=True, kw_only=True):
    """The customer of an order: ids, a blind index of the e-mail, and the sealed contact.
    ``email_verified``: Shopify says that the address is theirs; where it says nothing, it is not
    known to be."""

    customer_id: UUID
    shopify_customer_id: str
    email_index: str = ""
    sealed_contact: str = ""
    email_verified: bool = False


class Line(Body, frozen=True, kw_only=True):
    """One line of an order; ``total`` is price × quantity less the discounts given to it."""

    line_id: str
    product_id: str = ""
    quantity: int
    price: Decimal
    total: Decimal
    gift_card: bool = False


class Refund(Body, frozen=True, kw_only=True):
    """A refund as Shopify reports it; ``merchandise`` is what the goods were refunded with,
    before tax, without gift cards; ``amount_only`` what was refunded without naming goods."""

    refund_id: str
    order_id: str
    created_at: Instant
    merchandise: Decimal
    amount_only: Decimal = Decimal(0)


class Order(Body, frozen=True, kw_only=True):
    """An order as it stood when Shopify sent it, or was asked for it (``imported``): then it may be
    of long ago, and nothing has happened to it now.

    ``subtotal`` is after discounts and without gift cards; ``updated_at`` tells which of two
    snapshots is newer. ``customer`` is None for a guest; ``fulfilled`` when all of it was sent.
    ``receipt`` and ``checkout_digest`` are what a till knows a sale of its own by.
    """

    order_id: str
    number: str
    currency: str
    test: bool
    source: str  # "web", "pos", …
    financial_status: str
    created_at: Instant
    updated_at: Instant
    processed_at: Instant
    subtotal: Decimal
    shipping: Decimal
    tax: Decimal
    total: Decimal
    taxes_included: bool = False
    cancelled_at: Instant | None = None
    customer: OrderCustomer | None = None
    fulfilled: bool = False
    discount_codes: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    refunds: tuple[Refund, ...] = ()
    imported: bool = False
    receipt: str = ""
    checkout_digest: str = ""


class CustomerRecord(Body, frozen=True, kw_only=True):
    """A customer as the shop knows them. The contact is sealed; see ``contracts.contact``.
    ``email_verified`` as in ``OrderCustomer``."""

    customer_id: UUID
    shopify_customer_id: str
    created_at: Instant
    updated_at: Instant
    email_index: str = ""
    sealed_contact: str = ""
    language: str = ""
    email_verified: bool = False


class CustomerGone(Body, frozen=True, kw_only=True):
    """A customer whom the shop has deleted; Shopify uses no id twice, so nobody comes back."""

    customer_id: UUID
    shopify_customer_id: str


class CustomersMerged(Body, frozen=True, kw_only=True):
    """Shopify merged two customers into the kept one, or tried to: only if ``completed``."""

    kept_customer_id: UUID
    kept_shopify_customer_id: str
    merged_customer_id: UUID
    merged_shopify_customer_id: str
    completed: bool = False


class Product(Body, frozen=True, kw_only=True):
    """A product of the shop's catalogue; prices are the span over its variants."""

    product_id: str
    title: str
    handle: str = ""
    vendor: str = ""
    product_type: str = ""
    tags: tuple[str, ...] = ()
    status: str = "active"
    price_min: Decimal = Decimal(0)
    price_max: Decimal = Decimal(0)
    image_url: str = ""
    updated_at: Instant


class ProductGone(Body, frozen=True, kw_only=True):
    product_id: str


class CollectionChanged(Body, frozen=True, kw_only=True):
    """Something about a collection is other than it was; what is in it, maybe. Shopify does not say
    what."""

    collection_id: str


class CollectionGone(Body, frozen=True, kw_only=True):
    collection_id: str


class Uninstalled(Body, frozen=True, kw_only=True):
    """``removed_at`` is when that was, by Shopify's clock; the news of it may come hours later."""

    shop_domain: str
    removed_at: Instant | None = None


class ScopesChanged(Body, frozen=True, kw_only=True):
    """``granted`` is all that the shop grants the app since ``changed_at``, sorted."""

    granted: tuple[str, ...]
    changed_at: Instant


class QueuedGoods(Body, frozen=True, kw_only=True):
    """Goods in a sale at a till; see ``contracts.pos``."""

    product_id: str = ""
    amount: Decimal


class QueuedLine(Body, frozen=True, kw_only=True):
    """A sale or refund in a till's queue; see ``contracts.pos``."""

    line_id: str
    kind: str
    happened_at: Instant
    order_id: str = ""
    receipt: str = ""
    shopify_customer_id: str = ""
    merchandise: Decimal
    tax: Decimal = Decimal(0)
    goods: tuple[QueuedGoods, ...] = ()
    refund_id: str = ""


class TillQueue(Body, frozen=True, kw_only=True):
    """What a till sold while it was offline; ``sent_at`` is what its clock said then."""

    till_id: str
    location: str = ""
    sent_at: Instant
    lines: tuple[QueuedLine, ...] = ()


class PrivacyRequest(Body, frozen=True, kw_only=True):
    """A compliance webhook, to be worked off within 30 days. The customer is named by ids only;
    what else Shopify sent (e-mail, phone) is in ``sealed_payload``, about the ``request_key``."""

    request_key: str  # what makes it this request: the data request's id, or the redacted customer
    shopify_customer_id: str = ""
    customer_id: UUID | None = None
    order_ids: tuple[str, ...] = ()
    sealed_payload: str = ""


_GATEWAY: Final = "api_gateway"
_IMPORTS: Final = ("core",)
"""Says of what was before the shop came what webhooks say of what happens."""


def _order(name: str, summary: str, also: tuple[str, ...] = ()) -> Event[Order]:
    return Event(name, Order, _GATEWAY, summary, prefix="shop", also=also)


ORDER_CREATED = _order("orders.create", "A shop received an order.")
ORDER_PAID = _order("orders.paid", "An order was paid in full.")
ORDER_UPDATED = _order("orders.updated", "An order changed.", _IMPORTS)
ORDER_CANCELLED = _order("orders.cancelled", "An order was cancelled.")
REFUND_CREATED = Event(
    "refunds.create", Refund, _GATEWAY, "Money went back to a customer.", prefix="shop"
)
CUSTOMER_CREATED = Event(
    "customers.create", CustomerRecord, _GATEWAY, "A customer account was made.", prefix="shop"
)
CUSTOMER_UPDATED = Event(
    "customers.update",
    CustomerRecord,
    _GATEWAY,
    "A customer account changed.",
    prefix="shop",
    also=_IMPORTS,
)
CUSTOMER_DELETED = Event(
    "customers.delete", CustomerGone, _GATEWAY, "A customer account was deleted.", prefix="shop"
)
CUSTOMERS_MERGED = Event(
    "customers.merge", CustomersMerged, _GATEWAY, "Two customers became one.", prefix="shop"
)
PRODUCT_CREATED = Event(
    "products.create", Product, _GATEWAY, "A product was added to the catalogue.", prefix="shop"
)
PRODUCT_UPDATED = Event("products.update", Product, _GATEWAY, "A product changed.", prefix="shop")
PRODUCT_DELETED = Event(
    "products.delete", ProductGone, _GATEWAY, "A product was removed.", prefix="shop"
)
COLLECTION_UPDATED = Event(
    "collections.update",
    CollectionChanged,
    _GATEWAY,
    "A collection changed, or what is in it did.",
    prefix="shop",
)
COLLECTION_DELETED = Event(
    "collections.delete", CollectionGone, _GATEWAY, "A collection was removed.", prefix="shop"
)
APP_UNINSTALLED = Event(
    "app.uninstalled", Uninstalled, _GATEWAY, "The shop removed the app.", prefix="shop"
)
SCOPES_CHANGED = Event(
    "app.scopes_update",
    ScopesChanged,
    _GATEWAY,
    "What a shop grants the app changed.",
    prefix="shop",
)
DATA_REQUESTED = Event(
    "customers.data_request",
    PrivacyRequest,
    _GATEWAY,
    "A customer wants their data.",
    prefix="shop",
)
CUSTOMER_REDACTED = Event(
    "customers.redact", PrivacyRequest, _GATEWAY, "A customer wants to be forgotten.", prefix="shop"
)
TILL_SYNCED = Event(
    "pos.offline_sync",
    TillQueue,
    _GATEWAY,
    "A till told what it sold while it was offline.",
    prefix="shop",
)
SHOP_REDACTED = Event(
    "shop.redact", PrivacyRequest, _GATEWAY, "A shop left; its data is to be erased.", prefix="shop"
)

ORDER_EVENTS = (ORDER_CREATED, ORDER_PAID, ORDER_UPDATED, ORDER_CANCELLED)
"""All of them carry the whole order, so that any one of them is enough."""

_ALL = (
    *ORDER_EVENTS,
    REFUND_CREATED,
    CUSTOMER_CREATED,
    CUSTOMER_UPDATED,
    CUSTOMER_DELETED,
    CUSTOMERS_MERGED,
    PRODUCT_CREATED,
    PRODUCT_UPDATED,
    PRODUCT_DELETED,
    COLLECTION_UPDATED,
    COLLECTION_DELETED,
    TILL_SYNCED,
    APP_UNINSTALLED,
    SCOPES_CHANGED,
    DATA_REQUESTED,
    CUSTOMER_REDACTED,
    SHOP_REDACTED,
)

AFTER_UNINSTALL = frozenset((APP_UNINSTALLED, DATA_REQUESTED, CUSTOMER_REDACTED, SHOP_REDACTED))
"""What is also taken from a shop that has removed the app: the news of that itself, and what the
law wants. Everything else comes too late."""

CONTRACTS = Contracts(
    events=_ALL,
    webhooks=(
        *(Webhook(event.name.replace(".", "/"), event, event.summary) for event in _ALL),
        # It carries the whole order as well, and that says by itself that all was sent.
        Webhook("orders/fulfilled", ORDER_UPDATED, "All of an order was sent."),
    ),
)
