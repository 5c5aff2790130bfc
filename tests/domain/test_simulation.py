"""The simulator gives what the ledger would have given, order by order and member by member."""

import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.points.bonus import Bonus, Buyer, Goods, OrderLine, Overlap
from domain.points.earning_limits import EarningLimit, Every
from domain.points.ledger import EntryDraft, due_entries
from domain.points.simulation import PastOrder, Simulator
from domain.program import EarnOn, ProgramSettings, PurchaseRule, RefundPolicy
from tests.domain.shop import MEMBER, NOW, USD, order, refund

OTHER = UUID(int=8)
GOLD = Buyer("Gold", "champions")

amounts = st.decimals("0", "500", places=2)
moments = st.none() | st.integers(0, 40).map(lambda days: NOW + timedelta(days=days))


@st.composite
def past_orders(draw: st.DrawFn) -> list[PastOrder]:
    """Orders in every state, some with refunds of more than there was."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        merchandise = draw(amounts)
        facts = order(
            merchandise,
            order_id=str(number),
            paid_at=draw(moments),
            fulfilled_at=draw(moments),
            cancelled_at=draw(moments),
            test=draw(st.integers(0, 9)) == 0,
            lines=(OrderLine("1", merchandise, ("sale",)),),
        )
        refunds = tuple(
            replace(
                refund(f"{number}/{each}", draw(amounts), facts.order_id),
                created_at=NOW + timedelta(days=draw(st.integers(0, 40))),
            )
            for each in range(draw(st.integers(0, 3)))
        )
        found.append(PastOrder(facts, refunds))
    return found


programs = st.builds(
    replace,
    st.just(USD),
    purchase=st.builds(
        PurchaseRule,
        points_per_unit=st.decimals("0", "10", places=2),
        minimum_spend=st.sampled_from([Decimal(0), Decimal(50)]),
        enabled=st.integers(0, 9).map(bool),
    ),
    earn_on=st.sampled_from(EarnOn),
    overlap=st.sampled_from(Overlap),
    bonuses=st.sampled_from(
        [
            (),
            (Bonus("gold", Decimal(2), tiers=("Gold",)), Bonus("sale", Decimal("1.5"))),
            (Bonus("sale", Decimal(0), goods=Goods(tags=("sale",))),),
        ]
    ),
)


@given(programs, past_orders())
def test_without_bounds_on_claw_backs_the_end_is_that_of_the_ledger(
    settings: ProgramSettings, orders: list[PastOrder]
) -> None:
    simulator = Simulator(settings, {MEMBER: GOLD})
    simulator.add(MEMBER, orders)
    posted = []
    for facts, refunds in orders:
        moments = {facts.created_at, facts.paid_at, facts.fulfilled_at, facts.cancelled_at}
        moments |= {each.created_at for each in refunds}
        own: list[EntryDraft] = []
        for at in sorted(each for each in moments if each is not None):
            own += due_entries(
                replace(
                    facts,
                    paid_at=facts.paid_at if facts.paid_at and facts.paid_at <= at else None,
                    fulfilled_at=(
                        facts.fulfilled_at
                        if facts.fulfilled_at and facts.fulfilled_at <= at
                        else None
                    ),
                    cancelled_at=(
                        facts.cancelled_at
                        if facts.cancelled_at and facts.cancelled_at <= at
                        else None
                    ),
                ),
                [each for each in refunds if each.created_at <= at],
                own,
                settings,
                buyer=GOLD,
            )
        posted += own
    assert simulator.found.kept == sum(each.points for each in posted)
    assert simulator.found.points == {MEMBER: simulator.found.kept}
    assert simulator.found.issued == sum(each.points for each in posted if each.points > 0)
    assert simulator.found.orders == len(orders)


@given(programs, past_orders(), st.integers(0, 30))
def test_bounded_claw_backs_take_no_more_and_never_below_zero(
    settings: ProgramSettings, orders: list[PastOrder], pending_days: int
) -> None:
    kept = {}
    for policy in RefundPolicy:
        simulator = Simulator(
            replace(settings, refund_policy=policy, pending_days=pending_days), {MEMBER: GOLD}
        )
        simulator.add(MEMBER, orders)
        kept[policy] = simulator.found.kept
        assert simulator.found.kept >= 0
    assert kept[RefundPolicy.UNLIMITED] <= kept[RefundPolicy.WITHIN_BALANCE]
    assert kept[RefundPolicy.WITHIN_BALANCE] <= kept[RefundPolicy.ONLY_PENDING]


def test_only_what_is_pending_is_taken_back() -> None:
    settings = replace(USD, refund_policy=RefundPolicy.ONLY_PENDING, pending_days=14)
    facts = order("100.00")
    for days, kept in ((13, 50), (15, 100)):
        back = replace(refund("r", "50"), created_at=NOW + timedelta(days=days))
        simulator = Simulator(settings, {})
        simulator.add(MEMBER, [PastOrder(facts, (back,))])
        assert (simulator.found.issued, simulator.found.kept) == (100, kept)


def test_members_are_kept_apart() -> None:
    simulator = Simulator(USD, {})
    simulator.add(MEMBER, [PastOrder(order("10.00"))])
    simulator.add(OTHER, [PastOrder(order("0.50"))])
    assert simulator.found.points == {MEMBER: 10, OTHER: 0}
    assert (simulator.found.orders, simulator.found.earning_orders) == (2, 1)


@pytest.mark.parametrize("buyer", [Buyer(), GOLD])
def test_it_is_fast(buyer: Buyer) -> None:
    """``bench simulate`` has the figure; here only that nobody makes it slower by a factor."""
    orders = [PastOrder(order(Decimal(cents) / 100, order_id=str(cents))) for cents in range(5000)]
    simulator = Simulator(USD, {MEMBER: buyer})
    started = time.process_time()
    simulator.add(MEMBER, orders)
    assert time.process_time() - started < 1


def test_limits_hold_one_order_after_the_other() -> None:
    limits = (EarningLimit(Every.DAY, points=150), EarningLimit(Every.LIFETIME, times=3))
    settings = replace(USD, purchase=PurchaseRule(limits=limits))
    placed = [
        order("100.00", order_id=str(number), created_at=NOW + timedelta(days=number // 2))
        for number in range(6)
    ]
    simulator = Simulator(settings, {})
    simulator.add(MEMBER, [PastOrder(each) for each in placed])
    # Two orders on the first day, the second of them within what is left; one on the next.
    assert simulator.found.kept == 100 + 50 + 100
    assert simulator.found.earning_orders == 3
