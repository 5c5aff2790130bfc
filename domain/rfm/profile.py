"""A member's profile: what their orders, whatever the order they came in, say together."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from domain.points.orders import OrderFacts, RefundFacts


class Profile(NamedTuple):
    """``orders`` that count, ``spent`` on their merchandise net of refunds in shop currency, and
    the (aware) moments of the first and last of them, None while there is none."""

    orders: int = 0
    spent: Decimal = Decimal(0)
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None


NOBODY = Profile()


def profile_of(orders: Iterable[OrderFacts], refunds: Iterable[RefundFacts] = ()) -> Profile:
    """The profile of one member, from one (merged) snapshot per order.

    Test and cancelled orders do not count. A refund lowers the spend of its own order, never below
    nothing; the order itself still counts. Only the set matters, so a cancellation takes back
    exactly what its order had given.
    """
    returned: dict[str, dict[str, Decimal]] = {}
    for refund in refunds:
        told = returned.setdefault(refund.order_id, {})
        told[refund.refund_id] = max(refund.merchandise, told.get(refund.refund_id, Decimal(0)))
    count, spent = 0, Decimal(0)
    first = last = None
    for order in orders:
        if order.test or order.cancelled:
            continue
        count += 1
        spent += order_spend(order, returned.get(order.order_id, {}).values())
        first = order.created_at if first is None else min(first, order.created_at)
        last = order.created_at if last is None else max(last, order.created_at)
    return Profile(count, spent, first, last)


def order_spend(order: OrderFacts, refunded: Iterable[Decimal]) -> Decimal:
    """What one counting order adds to ``spent``: its merchandise less what went back."""
    return max(Decimal(0), order.merchandise - sum(refunded, Decimal(0)))
