"""What a shop uses of its plan: orders per calendar month, and the warnings near its end."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from contracts.caller import Caller
from contracts.core import PLAN_LIMIT_WARNING, GetUsage, PlanLimitWarning, Usage
from contracts.kit import Instant
from contracts.views import View
from domain.plans import TERMS, Plan, crossed
from ports.events import Received
from ports.unit import Unit, Units
from ports.usage import CountedOrder, UsageBook


class OrderToCount(View, frozen=True, kw_only=True):
    """``contracts.shop.Order`` as far as the plan is concerned."""

    order_id: str
    test: bool
    created_at: Instant
    imported: bool = False


async def count(unit: Unit[UsageBook], events: Sequence[Received[Any]]) -> None:
    """Count the orders of these events, guests' too; test orders are nobody's business, and those
    of the time before the shop came are not what it uses."""
    orders: set[CountedOrder] = set()
    causes: dict[tuple[object, date], Received[Any]] = {}
    for event in events:
        match event.body:
            case OrderToCount(test=False, imported=False) as order:
                month = _month_of(order.created_at)
                orders.add(CountedOrder(event.merchant_id, month, order.order_id))
                causes[event.merchant_id, month] = event
    counted = await unit.stores.count(orders)
    if not counted:
        return
    plans = await unit.stores.plans({each.merchant_id for each in counted})
    for each in counted:
        plan = plans.get(each.merchant_id, Plan.FREE)
        limit = TERMS[plan].orders
        if limit is None:
            continue
        for percent in crossed(each.before, each.after, limit):
            unit.emit(
                PLAN_LIMIT_WARNING,
                PlanLimitWarning(
                    plan=plan,
                    month=_name_of(each.month),
                    percent=percent,
                    orders=each.after,
                    limit=limit,
                ),
                each.merchant_id,
                cause=causes[each.merchant_id, each.month],
            )


class UsageReport:
    def __init__(self, units: Units[UsageBook]) -> None:
        self._units = units

    async def get(self, caller: Caller, _request: GetUsage) -> Usage:
        tenant = caller.tenant
        async with self._units() as unit:
            month = _month_of(unit.now())
            plan = (await unit.stores.plans([tenant])).get(tenant, Plan.FREE)
            return Usage(
                plan=plan,
                month=_name_of(month),
                orders=await unit.stores.orders(tenant, month),
                limit=TERMS[plan].orders,
                members=await unit.stores.members(tenant),
            )


def _month_of(at: datetime) -> date:
    at = at.astimezone(UTC)
    return date(at.year, at.month, 1)


def _name_of(month: date) -> str:
    return f"{month:%Y-%m}"
