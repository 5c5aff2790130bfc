"""Trying a program on the past: what it would have given for the shop's orders, and to whom."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import nlargest, nsmallest
from typing import Final
from uuid import UUID

from contracts.caller import Caller
from contracts.simulations import (
    MemberOutcome,
    ProgramOutcome,
    ProgramSimulated,
    SimulateProgram,
)
from domain.errors import InvalidRequest, Problem
from domain.money import Money, Rounding
from domain.points.bonus import Buyer, OrderLine
from domain.points.simulation import PastOrder, Simulated, Simulator
from domain.program import ProgramSettings, defaults, validate
from ports.earning import NOTHING_KNOWN, BuyerKey, GoodsKey, KnownGoods
from ports.past_orders import PastOrders, Period
from ports.unit import Units
from services.points.newly_named import NewlyNamed

MOST_ORDERS: Final = 100_000
_A_YEAR: Final = timedelta(days=365)
_PAGE: Final = 2_000
_AT_EITHER_END: Final = 10
_MOST_POINT_VALUE: Final = Decimal(1_000_000)


class ProgramSimulator:
    def __init__(
        self, units: Units[PastOrders], newly_named: NewlyNamed, most: int = MOST_ORDERS
    ) -> None:
        self._units = units
        self._newly_named = newly_named
        self._most = most

    async def simulate(self, caller: Caller, request: SimulateProgram) -> ProgramSimulated:
        tenant = caller.tenant
        async with self._units() as unit:
            now = unit.now()
            saved = (await unit.stores.programs([tenant])).get(tenant)
            in_force = saved or defaults(request.settings.currency)
            period = _period(request, now)
            problems = _problems(request, in_force, period)
            if not problems:
                found = await unit.stores.count_orders(tenant, period)
                if found > self._most:
                    detail = f"{found:,} orders were placed since; {self._most:,} at most, please."
                    problems.append(Problem("/placed_from", detail))
        if problems:
            raise InvalidRequest(problems=problems)
        asked = request.settings.collections - in_force.collections
        inside = await self._newly_named.goods_in(tenant, asked) if asked else {}
        # What was bought before the shop came is looked at like the rest: to see what a program
        # would mean for it is why somebody new asks.
        programs = [replace(each, earns_from="") for each in (in_force, request.settings)]
        orders = await self._orders(tenant, period, programs, inside)
        counted = [each for each in orders if each.facts.currency == in_force.currency]
        buyers = await self._buyers(tenant, {each.facts.customer_id for each in counted})
        # In a thread, so that other calls are answered meanwhile.
        outcomes = await asyncio.to_thread(_run, programs, buyers, counted)
        return _answer(request, in_force, len(orders), counted, outcomes)

    async def _orders(
        self,
        tenant: UUID,
        period: Period,
        programs: Iterable[ProgramSettings],
        inside: Mapping[str, tuple[str, ...]],
    ) -> list[PastOrder]:
        """All of them; ``inside`` is which of the newly named collections goods are in."""
        by_goods = any(each.by_goods for each in programs)
        orders: list[PastOrder] = []
        after = ""
        while True:
            async with self._units() as unit:
                page = await unit.stores.past_orders(tenant, period, after, _PAGE)
                known = await _goods(unit.stores, tenant, page) if by_goods else {}
            orders += [_with_goods(each, known, inside) for each in page] if by_goods else page
            if len(page) < _PAGE:
                return orders
            after = page[-1].facts.order_id

    async def _buyers(self, tenant: UUID, members: Iterable[UUID]) -> Mapping[UUID, Buyer]:
        async with self._units() as unit:
            known = await unit.stores.buyers(BuyerKey(tenant, each) for each in members)
        return {key.customer_id: buyer for key, buyer in known.items()}


def _period(request: SimulateProgram, now: datetime) -> Period:
    end = request.placed_before or now
    return Period(request.placed_from or end - _A_YEAR, end)


def _problems(request: SimulateProgram, in_force: ProgramSettings, period: Period) -> list[Problem]:
    problems = [
        replace(each, pointer=f"/settings{each.pointer}") for each in validate(request.settings)
    ]
    if request.settings.currency != in_force.currency:
        detail = f"The shop's currency is {in_force.currency}."
        problems.append(Problem("/settings/currency", detail))
    if period.start >= period.end:
        problems.append(Problem("/placed_from", "Must be before placed_before."))
    value, share = request.point_value, request.expected_redemption
    if not (value.is_finite() and 0 <= value <= _MOST_POINT_VALUE):
        problems.append(Problem("/point_value", "An amount of the shop's currency is needed."))
    if not (share.is_finite() and 0 <= share <= 1):
        problems.append(Problem("/expected_redemption", "A share between 0 and 1 is needed."))
    return problems


async def _goods(
    stores: PastOrders, tenant: UUID, page: Sequence[PastOrder]
) -> Mapping[str, KnownGoods]:
    """What the catalogue says of the goods now."""
    asked = {
        GoodsKey(tenant, line.product_id)
        for order in page
        for line in order.facts.lines
        if line.product_id
    }
    return {key.product_id: goods for key, goods in (await stores.goods(asked)).items()}


def _with_goods(
    order: PastOrder, goods: Mapping[str, KnownGoods], inside: Mapping[str, tuple[str, ...]]
) -> PastOrder:
    lines = tuple(
        OrderLine(
            line.product_id,
            line.amount,
            known.tags,
            known.collections + inside.get(line.product_id, ()),
        )
        for line in order.facts.lines
        for known in (goods.get(line.product_id, NOTHING_KNOWN),)
    )
    return order._replace(facts=replace(order.facts, lines=lines))


def _run(
    programs: Iterable[ProgramSettings],
    buyers: Mapping[UUID, Buyer],
    orders: Iterable[PastOrder],
) -> list[Simulated]:
    by_member: dict[UUID, list[PastOrder]] = defaultdict(list)
    for order in orders:
        by_member[order.facts.customer_id].append(order)
    simulators = [Simulator(each, buyers) for each in programs]
    for customer_id, own in by_member.items():
        for simulator in simulators:
            simulator.add(customer_id, own)
    return [each.found for each in simulators]


def _answer(
    request: SimulateProgram,
    in_force: ProgramSettings,
    looked_at: int,
    counted: Sequence[PastOrder],
    outcomes: Sequence[Simulated],
) -> ProgramSimulated:
    now, then = outcomes
    members = [
        MemberOutcome(customer_id=each, in_force=points, draft=then.points[each])
        for each, points in now.points.items()
    ]
    winners = [each for each in members if each.draft > each.in_force]
    losers = [each for each in members if each.draft < each.in_force]
    sales = sum((each.sales for each in counted), Decimal(0))

    def outcome(found: Simulated) -> ProgramOutcome:
        cost = found.kept * request.point_value * request.expected_redemption
        liability = Money(cost, in_force.currency).rounded(Rounding.HALF_UP)
        return ProgramOutcome(
            earning_orders=found.earning_orders,
            points_issued=found.issued,
            points_taken_back=found.taken_back,
            points_kept=found.kept,
            liability=liability.amount,
            share_of_sales=round(100 * cost / sales, 2) if sales else Decimal(0),
        )

    def gain(member: MemberOutcome) -> tuple[int, UUID]:
        return member.draft - member.in_force, member.customer_id

    return ProgramSimulated(
        orders=len(counted),
        passed_over=looked_at - len(counted),
        members=len(members),
        currency=in_force.currency,
        sales=sales,
        in_force=outcome(now),
        draft=outcome(then),
        winners=len(winners),
        losers=len(losers),
        unchanged=len(members) - len(winners) - len(losers),
        most_gained=tuple(nlargest(_AT_EITHER_END, winners, key=gain)),
        most_lost=tuple(nsmallest(_AT_EITHER_END, losers, key=gain)),
    )
