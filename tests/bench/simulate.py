"""`bench simulate`: past orders tried against a program, next to nothing but the multiplication."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from random import Random
from uuid import UUID

from domain.points.bonus import Bonus, Buyer, Goods, OrderLine
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.simulation import PastOrder, Simulator
from domain.program import ProgramSettings, defaults
from tests.bench.report import Result, ratio

_MEMBERS = 2_000
_ORDERS_EACH = 10
_PLAIN = defaults("USD")
_RICH = replace(
    _PLAIN,
    bonuses=(
        Bonus("sale", Decimal(2), goods=Goods(tags=("sale",))),
        Bonus("may", Decimal(3), first_day=datetime(2026, 5, 1, tzinfo=UTC).date()),
    ),
)


async def bench(seconds: float) -> Result:
    """A third of ``seconds`` each for the default program, one with all sorts of bonuses, and the
    floor. One process, so one core."""
    members = [_orders(Random(number), UUID(int=number)) for number in range(_MEMBERS)]
    tiers = {UUID(int=number): Buyer("Gold" if number % 3 else "") for number in range(_MEMBERS)}

    def simulate(settings: ProgramSettings) -> Callable[[], None]:
        def once() -> None:
            simulator = Simulator(settings, tiers)
            for number, orders in enumerate(members):
                simulator.add(UUID(int=number), orders)

        return once

    def multiply() -> None:
        for orders in members:
            for order in orders:
                int((order.facts.merchandise * Decimal(1)).to_integral_value(ROUND_DOWN))

    plain = _per_second(simulate(_PLAIN), seconds / 3)
    rich = _per_second(simulate(_RICH), seconds / 3)
    floor = _per_second(multiply, seconds / 3)
    return Result(
        bench="simulate",
        figure=plain,
        unit="orders/s",
        floor=floor,
        ratio=ratio(plain, floor),
        details={"with bonuses by goods and by day": f"{rich:,.0f} orders/s"},
        notes=[
            "Two of three members are in a tier that multiplies; one order in ten has a refund.",
            "The floor multiplies and rounds each order's amount and does nothing else.",
        ],
    )


def _per_second(work: Callable[[], None], seconds: float) -> float:
    work()
    done = 0
    started = time.perf_counter()
    while (took := time.perf_counter() - started) < seconds:
        work()
        done += _MEMBERS * _ORDERS_EACH
    return done / took


def _orders(chance: Random, customer_id: UUID) -> list[PastOrder]:
    placed = datetime(2026, 1, 1, tzinfo=UTC)
    found = []
    for number in range(_ORDERS_EACH):
        at = placed + timedelta(days=chance.randrange(300))
        amounts = [Decimal(chance.randrange(100, 30_000)) / 100 for _ in range(2)]
        order_id = f"{customer_id}/{number}"
        facts = OrderFacts(
            order_id=order_id,
            customer_id=customer_id,
            currency="USD",
            financial_status="paid",
            created_at=at,
            updated_at=at,
            merchandise=sum(amounts, Decimal(0)),
            lines=tuple(
                OrderLine(str(index), amount, ("sale",) if index else ())
                for index, amount in enumerate(amounts)
            ),
        )
        refunds: tuple[RefundFacts, ...] = ()
        if chance.random() < 0.1:
            refunds = (RefundFacts(f"{order_id}/r", order_id, amounts[0], at + timedelta(days=3)),)
        found.append(PastOrder(facts, refunds))
    return found
