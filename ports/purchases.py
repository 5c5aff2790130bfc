"""What members have bought: heard from events, added up and kept per member."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from contracts.kit import Body, Instant
from contracts.shop import Order, Refund
from contracts.views import View
from domain.merging import ToldMerge
from domain.points.orders import OrderFacts, merge
from domain.rfm.profile import Profile
from ports.events import Received
from ports.ledger import OrderKey


class MemberKey(NamedTuple):
    merchant_id: UUID
    customer_id: UUID


class Customer(View, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str


class MoneyBack(View, frozen=True, kw_only=True):
    """``contracts.shop.Refund`` as far as it lessens what a member has bought."""

    refund_id: str
    order_id: str
    merchandise: Decimal


class Purchase(View, frozen=True, kw_only=True):
    """``contracts.shop.Order`` as far as it adds to what a member has bought."""

    order_id: str
    test: bool
    processed_at: Instant
    updated_at: Instant
    subtotal: Decimal
    cancelled_at: Instant | None = None
    customer: Customer | None = None
    refunds: tuple[MoneyBack, ...] = ()


PURCHASES: Final[Mapping[type[Body], type[View]]] = {Order: Purchase, Refund: MoneyBack}
"""What ``hear`` reads of the events that it gathers."""


@dataclass(slots=True)
class Purchases:
    """What a batch of events says of orders: facts, refunded merchandise by refund id (both in
    shop currency), who the members are at Shopify, and which event said it last."""

    orders: dict[OrderKey, OrderFacts] = field(default_factory=dict)
    refunds: dict[OrderKey, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    shopify_ids: dict[MemberKey, str] = field(default_factory=dict)
    causes: dict[OrderKey, Received[Any]] = field(default_factory=dict)


def hear(events: Sequence[Received[Any]]) -> Purchases:
    """Gather order and refund events, in whatever order and number they come."""
    heard = Purchases()
    for event in events:
        match event.body:
            case Purchase() as order:
                _hear_order(heard, event, order)
            case MoneyBack() as refund:
                key = OrderKey(event.merchant_id, refund.order_id)
                _hear_refund(heard, key, refund)
                heard.causes[key] = event
    return heard


def _hear_order(heard: Purchases, event: Received[Any], order: Purchase) -> None:
    key = OrderKey(event.merchant_id, order.order_id)
    for refund in order.refunds:
        _hear_refund(heard, key, refund)
    heard.causes[key] = event
    customer = order.customer
    if customer is None:
        return  # a guest has no profile; should the order get a customer, it comes again
    facts = OrderFacts(
        order_id=order.order_id,
        customer_id=customer.customer_id,
        # Whether it was paid and what it was paid in play no part here; left out, they cannot
        # tell two snapshots of the same instant apart either.
        currency="",
        financial_status="",
        # An order brought over from another system was made later than it was placed.
        created_at=order.processed_at,
        updated_at=order.updated_at,
        merchandise=order.subtotal,
        test=order.test,
        cancelled_at=order.cancelled_at,
    )
    known = heard.orders.get(key)
    heard.orders[key] = facts if known is None else merge(known, facts)
    heard.shopify_ids[MemberKey(event.merchant_id, customer.customer_id)] = (
        customer.shopify_customer_id
    )


def _hear_refund(heard: Purchases, key: OrderKey, refund: MoneyBack) -> None:
    told = heard.refunds[key]
    told[refund.refund_id] = max(refund.merchandise, told.get(refund.refund_id, Decimal(0)))


class Buyer(msgspec.Struct, frozen=True):
    """A member whose orders are known, with the profile they make."""

    profile: Profile
    shopify_customer_id: str = ""


class Bought(msgspec.Struct, frozen=True):
    """A member's profile before and after a batch; ``cause`` is the event that changed it."""

    before: Profile
    after: Profile
    shopify_customer_id: str
    cause: Received[Any] | None = None


class Buyers(Protocol):
    """Works inside one transaction. A member who was learnt of or locked is held until it ends, so
    whatever is made of a profile (a score, a tier) is made by one transaction at a time."""

    async def learn(self, purchases: Purchases) -> Mapping[MemberKey, Bought]:
        """Bring orders and profiles up to date; returns the members whose orders changed. Raises
        Unavailable when one of them was merged just now: try again.

        A profile is always ``domain.rfm.profile.profile_of`` of all that is known of the member,
        in whatever order it came; the cost depends on what is new alone.
        """
        ...

    async def lock_buyers(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Buyer]:
        """The profiles that exist of these members, held until the transaction ends."""
        ...

    async def merge(
        self, merchant_id: UUID, told: Sequence[ToldMerge]
    ) -> Mapping[MemberKey, Bought]:
        """Learn who stands for whom (``domain.merging.learn_merges``), and give them the orders of
        those they stand for, also those to come. Answers whose profile has changed."""
        ...
