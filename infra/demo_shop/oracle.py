"""What every wallet must hold, recomputed from what was accepted: by itself, simply, all at once.

Knows nothing of the product's own rules, on purpose. Restates them for a program with the default
settings: 1 point per whole unit of merchandise after discounts (fractions dropped), 200 for
signing up, nothing for test orders and guests; a cancelled or fully refunded order keeps nothing, a
partly refunded one gives back its proportional share with fractions dropped.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from infra.demo_shop.delivery import Delivery

SIGNUP_POINTS: Final = 200


@dataclass(slots=True)
class Expected:
    """What must be known of a customer: points, and the orders that count (no test orders, no
    cancelled ones) with what was ``spent`` on goods, net of refunds, in the shop's currency."""

    points: int = 0
    orders: int = 0
    spent: Decimal = Decimal(0)


@dataclass(slots=True)
class _Order:
    """All that was ever said about one order."""

    customer: str = ""
    test: bool = False
    cancelled: bool = False
    merchandise: Decimal = Decimal(0)
    refunds: dict[int, Decimal] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        return not (self.test or self.cancelled)

    def spent(self) -> Decimal:
        return max(self.merchandise - sum(self.refunds.values(), Decimal(0)), Decimal(0))

    def points(self) -> int:
        if not self.counts:
            return 0
        earned = int(self.merchandise)
        refunded = sum(self.refunds.values(), Decimal(0))
        if refunded >= self.merchandise:
            return 0
        return earned - int(earned * refunded // self.merchandise)


def expected_points(accepted: Iterable[Delivery]) -> dict[str, int]:
    """Points by Shopify customer id, after all of ``accepted`` took effect; the order of arrival
    and repeats make no difference. Customers who hold nothing are there with 0."""
    return {customer: member.points for customer, member in expected_members(accepted).items()}


def expected_members(accepted: Iterable[Delivery]) -> dict[str, Expected]:
    """All that is to be known of every customer, by Shopify customer id."""
    orders: dict[int, _Order] = defaultdict(_Order)
    members: dict[str, Expected] = {}
    for delivery in accepted:
        said = msgspec.json.decode(delivery.body)
        if delivery.topic.startswith("orders/"):
            _hear_order(orders[said["id"]], said)
        elif delivery.topic == "refunds/create":
            _hear_refund(orders[said["order_id"]], said)
        elif delivery.topic == "customers/create":
            members[str(said["id"])] = Expected(points=SIGNUP_POINTS)
    for order in orders.values():
        if not order.customer:
            continue
        member = members.setdefault(order.customer, Expected())
        member.points += order.points()
        if order.counts:
            member.orders += 1
            member.spent += order.spent()
    return members


def accepted_orders(accepted: Iterable[Delivery]) -> set[str]:
    """The ids of all orders that were told of, for counting what is missing or double."""
    return {
        str(msgspec.json.decode(delivery.body)["id"])
        for delivery in accepted
        if delivery.topic.startswith("orders/")
    }


def _hear_order(order: _Order, said: dict[str, Any]) -> None:
    order.customer = str(said["customer"]["id"]) if said["customer"] else ""
    order.test |= said["test"]
    order.cancelled |= said["cancelled_at"] is not None
    order.merchandise = Decimal(0)
    for line in said["line_items"]:
        if not line["gift_card"]:
            total = Decimal(line["price"]) * line["quantity"]
            off = sum(Decimal(each["amount"]) for each in line["discount_allocations"])
            order.merchandise += total - off
    for refund in said["refunds"]:
        _hear_refund(order, refund)


def _hear_refund(order: _Order, said: dict[str, Any]) -> None:
    order.refunds[said["id"]] = sum(
        (
            Decimal(line["subtotal_set"]["shop_money"]["amount"])
            for line in said["refund_line_items"]
            if not line["line_item"]["gift_card"]
        ),
        Decimal(0),
    )
