"""A dry run for one order: what it would earn today, and what each rule has to do with it."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.caller import Caller
from contracts.paging import MOST
from contracts.points import (
    BonusExplained,
    ExplainLine,
    ExplainPurchase,
    LimitExplained,
    LineExplained,
    PurchaseExplained,
)
from contracts.shop import member_id
from domain.days import day_of
from domain.errors import InvalidRequest, Problem
from domain.points.bonus import NOBODY_SPECIAL, OrderLine
from domain.points.earning_limits import Counted, Room, days_asked, ends_at, room_for
from domain.points.explaining import explain
from domain.points.orders import OrderFacts
from domain.program import defaults
from ports.activities import CountKey, Days
from ports.earning import NOTHING_KNOWN, BuyerKey, GoodsKey, KnownGoods
from ports.ledger import Ledger
from ports.unit import Units
from services.points.purchase_limits import PURCHASE

_NOBODY: Final = UUID(int=0)
_DRY_RUN: Final = "dry-run"
_MOST_AMOUNT: Final = Decimal(10) ** 12


class Explainer:
    def __init__(self, units: Units[Ledger]) -> None:
        self._units = units

    async def explain(self, caller: Caller, request: ExplainPurchase) -> PurchaseExplained:
        _check(request)
        tenant = caller.tenant
        customer_id = _customer(tenant, request)
        async with self._units() as unit:
            now = unit.now()
            saved = (await unit.stores.programs([tenant])).get(tenant)
            buyer = NOBODY_SPECIAL
            if customer_id is not None:
                key = BuyerKey(tenant, customer_id)
                buyer = (await unit.stores.buyers([key])).get(key, NOBODY_SPECIAL)
            known = await unit.stores.goods(
                {GoodsKey(tenant, line.product_id) for line in request.lines if line.product_id}
            )
            program = saved or defaults("USD")
            placed_at = request.placed_at or now
            day = day_of(placed_at, program.time_zone)
            earned: Mapping[date, Counted] = {}
            if customer_id is not None and program.purchase.limits:
                counted = CountKey(tenant, customer_id, PURCHASE)
                days = Days(*days_asked(program.purchase.limits, day))
                found_counts = await unit.stores.earned({counted: days})
                if counted in found_counts:
                    earned = found_counts[counted].by_day
        room = room_for(program.purchase.limits, earned, day)
        lines = tuple(
            _line(line, known.get(GoodsKey(tenant, line.product_id), NOTHING_KNOWN))
            for line in request.lines
        )
        facts = OrderFacts(
            order_id=_DRY_RUN,
            customer_id=customer_id or _NOBODY,
            currency=program.currency,
            financial_status="paid" if request.paid else "pending",
            created_at=placed_at,
            updated_at=now,
            merchandise=sum((line.amount for line in lines), Decimal(0)),
            shipping=request.shipping,
            tax=request.tax,
            fulfilled_at=now if request.fulfilled else None,
            lines=lines,
        )
        found = explain(program, facts, buyer, room.points)
        terms = found.snapshot
        return PurchaseExplained(
            points=found.points,
            why_not=found.refusal or "",
            rule=terms.rule,
            settings_version=terms.settings_version,
            spend=terms.base,
            minimum_spend=terms.minimum_spend,
            rate=terms.rate,
            fixed_points=terms.fixed,
            rounding=terms.rounding,
            overlap=terms.overlap,
            pending_days=program.pending_days,
            tier=buyer.tier,
            segment=buyer.segment,
            lines=tuple(
                LineExplained(
                    product_id=line.product_id,
                    counted=line.counted,
                    excluded=line.excluded,
                    factor=line.factor,
                )
                for line in found.lines
            ),
            bonuses=tuple(
                BonusExplained(
                    id=each.bonus.id,
                    factor=each.bonus.factor,
                    holds=each.why_not is None,
                    why_not=each.why_not or "",
                )
                for each in found.bonuses
            ),
            limit=_limit(room, earned, day, program.time_zone) if found.capped else None,
        )


def _line(line: ExplainLine, known: KnownGoods) -> OrderLine:
    tags = known.tags if line.tags is None else line.tags
    collections = known.collections if line.collections is None else line.collections
    return OrderLine(line.product_id, line.amount, tags, collections)


def _limit(
    room: Room, earned: Mapping[date, Counted], day: date, time_zone: str
) -> LimitExplained | None:
    limit = room.limit
    if limit is None or room.points is None:
        return None
    return LimitExplained(
        every=limit.every,
        days=limit.days,
        times=limit.times,
        points=limit.points,
        left=room.points,
        ends_at=ends_at(limit, earned, day, time_zone),
    )


def _check(request: ExplainPurchase) -> None:
    """Raises InvalidRequest with all that is wrong."""
    problems = []
    if not 1 <= len(request.lines) <= MOST:
        problems.append(Problem("/lines", f"1 to {MOST} lines are needed."))
    amounts = [(f"/lines/{n}/amount", line.amount) for n, line in enumerate(request.lines)]
    amounts += [("/shipping", request.shipping), ("/tax", request.tax)]
    problems += [
        Problem(pointer, "An amount of the shop's currency, 0 or more, is needed.")
        for pointer, amount in amounts
        if not (amount.is_finite() and 0 <= amount <= _MOST_AMOUNT)
    ]
    if request.customer_id is not None and request.shopify_customer_id is not None:
        detail = "Name the member by one of customer_id and shopify_customer_id."
        problems.append(Problem("/customer_id", detail))
    if problems:
        raise InvalidRequest(problems=problems)


def _customer(tenant: UUID, request: ExplainPurchase) -> UUID | None:
    if request.shopify_customer_id is not None:
        return member_id(tenant, request.shopify_customer_id)
    return request.customer_id
