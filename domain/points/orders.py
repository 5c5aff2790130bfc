"""The facts of an order as the ledger sees it, and how two snapshots of one order become one."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from domain.errors import Kind, LoyaltyError
from domain.points.bonus import OrderLine

_PAID = frozenset(("paid", "partially_refunded", "refunded"))


class InvalidOrderId(LoyaltyError):
    """Facts of one order were offered for another, or an order without an id."""

    code = "INVALID_ORDER_ID"
    kind = Kind.INVALID
    title = "That is not the id of this order."


@dataclass(slots=True)
class OrderFacts:
    """One snapshot of a member's order.

    All amounts are in shop currency and as **ordered**: a later refund changes none of them.
    ``merchandise`` is the subtotal after discounts, without gift-card lines; ``shipping`` and
    ``tax`` stand beside it. ``lines`` tell which goods the merchandise is for, where that matters
    to the program. All times are aware. ``paid_at`` may be left out when the financial
    status says paid: then the snapshot's own time stands for it.

    Each order is read into several of these: ``Final`` keeps a snapshot as it is as well as
    ``frozen`` does, and it is made in a third of the time.
    """

    order_id: Final[str]
    customer_id: Final[UUID]
    currency: Final[str]
    financial_status: Final[str]
    created_at: Final[datetime]
    updated_at: Final[datetime]
    merchandise: Final[Decimal]
    shipping: Final[Decimal] = Decimal(0)
    tax: Final[Decimal] = Decimal(0)
    test: Final[bool] = False
    paid_at: Final[datetime | None] = None
    cancelled_at: Final[datetime | None] = None
    fulfilled_at: Final[datetime | None] = None
    lines: Final[tuple[OrderLine, ...]] = ()

    def __post_init__(self) -> None:
        if not self.order_id:
            raise InvalidOrderId
        if self.paid_at is None and self.financial_status in _PAID:
            object.__setattr__(self, "paid_at", self.updated_at)

    @property
    def paid(self) -> bool:
        return self.paid_at is not None

    @property
    def cancelled(self) -> bool:
        return self.cancelled_at is not None

    @property
    def fulfilled(self) -> bool:
        return self.fulfilled_at is not None


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """One refund. ``merchandise`` is what was given back for goods, in shop currency, measured
    like the order's own merchandise: no shipping, no gift cards. Refunds never change."""

    refund_id: str
    order_id: str
    merchandise: Decimal
    created_at: datetime


def merge(a: OrderFacts, b: OrderFacts) -> OrderFacts:
    """What two snapshots of one order say together.

    The newer snapshot (``updated_at``) gives what can change; that an order was paid, cancelled or
    a test is never forgotten, at the earliest time told. Commutative, associative and idempotent,
    so deliveries may come in any order and any number. Raises InvalidOrderId for two orders.
    """
    if a.order_id != b.order_id:
        raise InvalidOrderId
    new = a if _age(a) >= _age(b) else b
    return OrderFacts(
        order_id=new.order_id,
        customer_id=new.customer_id,
        currency=new.currency,
        financial_status=new.financial_status,
        created_at=min(a.created_at, b.created_at),
        updated_at=new.updated_at,
        merchandise=new.merchandise,
        shipping=new.shipping,
        tax=new.tax,
        test=a.test or b.test,
        paid_at=_earliest(a.paid_at, b.paid_at),
        cancelled_at=_earliest(a.cancelled_at, b.cancelled_at),
        fulfilled_at=_earliest(a.fulfilled_at, b.fulfilled_at),
        lines=new.lines or (a if new is b else b).lines,
    )


def with_goods_of(facts: OrderFacts, earlier: OrderFacts) -> OrderFacts:
    """The same order, each product in it with the tags and collections that it had ``earlier``:
    what an order has earned by does not change with the catalogue. Other products are as told."""
    had = {line.product_id: line for line in earlier.lines if line.product_id}
    lines = tuple(
        line._replace(tags=then.tags, collections=then.collections)
        if (then := had.get(line.product_id)) is not None
        else line
        for line in facts.lines
    )
    return facts if lines == facts.lines else replace(facts, lines=lines)


def _age(
    facts: OrderFacts,
) -> tuple[datetime, str, UUID, str, Decimal, Decimal, Decimal, tuple[tuple[str, Decimal], ...]]:
    """The newer snapshot compares greater. Two of the same instant are told apart by what they
    say, so that which of them wins does not depend on which came first."""
    return (
        facts.updated_at,
        facts.financial_status,
        facts.customer_id,
        facts.currency,
        facts.merchandise,
        facts.shipping,
        facts.tax,
        tuple((line.product_id, line.amount) for line in facts.lines),
    )


def _earliest(a: datetime | None, b: datetime | None) -> datetime | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)
